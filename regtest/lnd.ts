/** One LND on regtest: started on free ports of loopback, spoken to by ln-service, stopped, killed, paused. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import type { AuthenticatedLnd } from 'ln-service';
import { authenticatedLndGrpc, getWalletInfo } from 'ln-service';
import type { Bitcoind } from './bitcoind.ts';
import type { DaemonProcess } from './daemon-process.ts';
import { endDaemon, hasEnded, startDaemon } from './daemon-process.ts';
import { freePorts } from './free-ports.ts';
import { called } from './ln-call.ts';
import type { LndBinary } from './lnd-binary.ts';
import { configuration } from './lnd-configuration.ts';
import type { Seed } from './lnd-wallet.ts';
import { openWallet } from './lnd-wallet.ts';
import { until } from './wait.ts';

export interface LndStart {
  binary: Pick<LndBinary, 'command'>;
  /** Made when it is not there. A folder used before keeps its keys and its channels. */
  dir: string;
  alias: string;
  /** The node whose chain it follows. */
  bitcoind: Bitcoind;
  /** See startFeeSource. */
  feeUrl: string;
  /** Words after all others, as on LND's command line: they win over what lnd-configuration.ts says. */
  extraArgs?: readonly string[];
  /** Default `none`: a key without words, under a password everybody knows. */
  seed?: Seed;
}

export interface LndNode {
  readonly alias: string;
  readonly dir: string;
  /** Of the running process; null between `stop` or `kill` and `restart`. */
  readonly pid: number | null;
  /** Whether it is stopped by `pause`: nothing it is asked is answered. */
  readonly isPaused: boolean;
  /** `localhost:PORT`: the name its certificate knows. */
  readonly socket: string;
  readonly certPath: string;
  /** Of the macaroons LND makes by itself: `admin`, `readonly`, `invoice` … */
  macaroonPath(name: string): string;
  readonly publicKey: string;
  readonly p2pPort: number;
  /** ln-service's handle with every right. A new one after each restart: do not keep it. */
  readonly lnd: AuthenticatedLnd;
  readonly logFile: string;
  /** Ends it the ordinary way. */
  stop(): Promise<void>;
  /** Ends it as a power cut would. */
  kill(): Promise<void>;
  /** Freezes it: connections stay open, and nothing is answered. */
  pause(): void;
  resume(): void;
  /** Stops it if it runs, then starts it on the same folder and ports, unlocked. Peers find each other by themselves. */
  restart(extraArgs?: readonly string[]): Promise<void>;
}

/** RPC answers in two to eight seconds, five nodes on two cores; slower only beside much else. */
const START_TIMEOUT_MS = 240_000;
/** Each try takes new ports; two clashes in a row are already unlikely. */
const START_TRIES_MAX = 5;
/** Enough of the end of the log to see why a node died. */
const TAIL_CHARS = 2_000;
const CLASH = /address already in use|unable to listen/i;

interface Ports {
  p2p: number;
  rpc: number;
}

interface Running {
  process: DaemonProcess;
  lnd: AuthenticatedLnd;
  publicKey: string;
}

/** Resolves when its RPC server takes every call. Rejects with the tails of stderr and log when it dies first. */
export async function startLnd(start: LndStart): Promise<LndNode> {
  await mkdir(start.dir, { recursive: true, mode: 0o700 });
  for (let attempt = 1; ; attempt += 1) {
    const { p2p, rpc } = await freePorts();
    const ports = { p2p, rpc };
    await writeConfiguration(start, ports);
    try {
      return nodeOf(start, ports, await launched(start, ports));
    } catch (cause) {
      const clash = cause instanceof Error && CLASH.test(cause.message);
      if (!clash || attempt === START_TRIES_MAX) throw cause;
    }
  }
}

function nodeOf(start: LndStart, ports: Ports, first: Running): LndNode {
  let now: LndStart = start;
  let running: Running | null = first;
  let isPaused = false;
  const wake = (): void => {
    if (isPaused) running?.process.child.kill('SIGCONT');
    isPaused = false;
  };
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    const ending = running;
    if (signal === 'SIGTERM') wake();
    running = null;
    isPaused = false;
    if (ending === null) return;
    await endDaemon(start.alias, ending.process, signal);
    hangUp(ending.lnd);
  };
  return {
    alias: start.alias,
    dir: start.dir,
    socket: socketOf(ports),
    certPath: certPath(start.dir),
    macaroonPath: (name) => macaroonPath(start.dir, name),
    publicKey: first.publicKey,
    p2pPort: ports.p2p,
    logFile: logFile(start.dir),
    get pid() {
      return running?.process.child.pid ?? null;
    },
    get isPaused() {
      return isPaused;
    },
    get lnd() {
      if (running === null) throw new Error(`${start.alias} does not run`);
      return running.lnd;
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    pause() {
      isPaused = running?.process.child.kill('SIGSTOP') ?? false;
    },
    resume: wake,
    async restart(extraArgs) {
      await end('SIGTERM');
      if (extraArgs !== undefined) now = { ...now, extraArgs };
      running = await launched(now, ports);
    },
  };
}

/** All in a file, so that `ps` shows no password. */
async function writeConfiguration(start: LndStart, ports: Ports): Promise<void> {
  const lines = configuration({ ...start, ...ports });
  await writeFile(path.join(start.dir, 'lnd.conf'), `${lines.join('\n')}\n`, { mode: 0o600 });
}

async function launched(start: LndStart, ports: Ports): Promise<Running> {
  const words = [...start.binary.command, `--lnddir=${start.dir}`, ...(start.extraArgs ?? [])];
  // One core each: on a small machine five nodes would otherwise fight for all of them.
  const process = startDaemon(words, { GOMAXPROCS: '1' });
  try {
    return { process, ...(await awake(start, ports, process)) };
  } catch (cause) {
    await endDaemon(start.alias, process, 'SIGKILL');
    const log = await readFile(logFile(start.dir), 'utf8').catch(() => '');
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${why}\n${process.complaint()}\n${log.slice(-TAIL_CHARS)}`, { cause });
  }
}

async function awake(
  start: LndStart,
  ports: Ports,
  { child }: DaemonProcess,
): Promise<Omit<Running, 'process'>> {
  const goesOn = (): void => {
    if (hasEnded(child)) {
      throw new Error(`${start.alias} ended with ${child.signalCode ?? child.exitCode}`);
    }
  };
  const socket = socketOf(ports);
  await until(
    `${start.alias} to listen`,
    () => {
      goesOn();
      return listens(ports.rpc);
    },
    START_TIMEOUT_MS,
  );
  const cert = await fileBase64(certPath(start.dir));
  await openWallet({ dir: start.dir, seed: start.seed ?? 'none', cert, socket, goesOn });
  const macaroon = await fileBase64(macaroonPath(start.dir, 'admin'));
  const { lnd } = authenticatedLndGrpc({ cert, macaroon, socket });
  const { public_key: publicKey } = await called('getWalletInfo', getWalletInfo({ lnd }));
  return { lnd, publicKey };
}

/** Asked before gRPC is: that waits longer and longer between its own tries. */
function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(port, '127.0.0.1');
    connection.once('error', () => resolve(false));
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
  });
}

/** ln-service opens one connection per service of LND, and none closes by itself. */
function hangUp(lnd: AuthenticatedLnd): void {
  for (const client of Object.values(lnd) as { close(): void }[]) client.close();
}

function fileBase64(file: string): Promise<string> {
  return readFile(file, 'base64');
}

function socketOf({ rpc }: Ports): string {
  return `localhost:${rpc}`;
}

function certPath(dir: string): string {
  return path.join(dir, 'tls.cert');
}

function macaroonPath(dir: string, name: string): string {
  return path.join(dir, 'data', 'chain', 'bitcoin', 'regtest', `${name}.macaroon`);
}

function logFile(dir: string): string {
  return path.join(dir, 'logs', 'bitcoin', 'regtest', 'lnd.log');
}
