/** One bitcoind on regtest: started on free ports of loopback, spoken to over RPC, stopped, killed, restarted. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { BitcoindBinary } from './bitcoind-binary.ts';
import type { DaemonProcess } from './daemon-process.ts';
import { endDaemon, hasEnded, startDaemon } from './daemon-process.ts';
import type { NodePorts } from './free-ports.ts';
import { freePorts } from './free-ports.ts';
import type { RpcAddress } from './rpc.ts';
import { call, RpcError } from './rpc.ts';
import { until } from './wait.ts';

export interface BitcoindStart {
  binary: Pick<BitcoindBinary, 'command'>;
  /** Made when it is not there. A folder used before keeps its chain and its wallets. */
  dataDir: string;
  extraArgs?: readonly string[];
}

export interface Bitcoind extends RpcAddress {
  readonly dataDir: string;
  readonly p2pPort: number;
  readonly zmqRawBlock: string;
  readonly zmqRawTx: string;
  /** Of the running process; null between `stop` or `kill` and `restart`. */
  readonly pid: number | null;
  /** See `call` in rpc.ts: amounts are BTC text. Rejects with RpcError when the node refuses. */
  rpc<T>(method: string, params?: readonly unknown[], wallet?: string): Promise<T>;
  /** Ends it the ordinary way: what it knows is on disk afterwards. */
  stop(): Promise<void>;
  /** Ends it as a power cut would: blocks since its last flush may be gone at the next start. */
  kill(): Promise<void>;
  /** Stops it if it runs, then starts it on the same folder, ports and password. Peers are not reconnected. */
  restart(): Promise<void>;
}

/** A node is up in one or two seconds; slower by far only on a machine that does much else. */
const START_TIMEOUT_MS = 90_000;
/** Each try takes new ports; two clashes in a row are already unlikely. */
const START_TRIES_MAX = 5;
/** Enough of the end of debug.log to see why a node died. */
const TAIL_CHARS = 2_000;
const CLASH = /unable to bind|address already in use|failed to listen/i;

/** Resolves when the node answers RPC. Rejects with the tails of stderr and debug.log when it dies first. */
export async function startBitcoind(start: BitcoindStart): Promise<Bitcoind> {
  await mkdir(start.dataDir, { recursive: true });
  const rpcPassword = randomBytes(16).toString('hex');
  for (let attempt = 1; ; attempt += 1) {
    const ports = await freePorts();
    await writeConfiguration(start.dataDir, ports, rpcPassword);
    const address = { rpcUrl: `http://127.0.0.1:${ports.rpc}`, rpcUser: RPC_USER, rpcPassword };
    try {
      return nodeOf(start, address, ports, await launched(start, address));
    } catch (cause) {
      const clash = cause instanceof Error && CLASH.test(cause.message);
      if (!clash || attempt === START_TRIES_MAX) throw cause;
    }
  }
}

const RPC_USER = 'regtest';

function nodeOf(
  start: BitcoindStart,
  address: RpcAddress,
  ports: NodePorts,
  first: DaemonProcess,
): Bitcoind {
  let running: DaemonProcess | null = first;
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    const ending = running;
    running = null;
    if (ending !== null) await endDaemon('bitcoind', ending, signal);
  };
  return {
    ...address,
    dataDir: start.dataDir,
    p2pPort: ports.p2p,
    zmqRawBlock: `tcp://127.0.0.1:${ports.zmqRawBlock}`,
    zmqRawTx: `tcp://127.0.0.1:${ports.zmqRawTx}`,
    get pid() {
      return running?.child.pid ?? null;
    },
    rpc: (method, params = [], wallet) => call(address, method, params, wallet),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM');
      running = await launched(start, address);
    },
  };
}

/** All in a file, so that `bitcoin-cli -datadir=DIR` needs nothing else and `ps` shows no password. */
async function writeConfiguration(
  dataDir: string,
  ports: NodePorts,
  rpcPassword: string,
): Promise<void> {
  const lines = [
    'regtest=1',
    '[regtest]',
    'server=1',
    `bind=127.0.0.1:${ports.p2p}`,
    'listenonion=0',
    'dnsseed=0',
    'discover=0',
    `rpcuser=${RPC_USER}`,
    `rpcpassword=${rpcPassword}`,
    'rpcbind=127.0.0.1',
    `rpcport=${ports.rpc}`,
    'rpcallowip=127.0.0.1',
    'rpcworkqueue=128',
    'rpcthreads=8',
    'fallbackfee=0.0002',
    'persistmempool=0',
    'dbcache=64',
    'maxmempool=64',
    'txindex=1',
    // Knots takes a transaction with locktime 21 for a parasite, and wallets choose recent heights at random.
    'rejectparasites=0',
    // Between nodes of one machine a transaction is passed on at once, not after a random delay.
    'whitelist=noban,in,out@127.0.0.1',
    `zmqpubrawblock=tcp://127.0.0.1:${ports.zmqRawBlock}`,
    `zmqpubrawtx=tcp://127.0.0.1:${ports.zmqRawTx}`,
  ];
  await writeFile(path.join(dataDir, 'bitcoin.conf'), `${lines.join('\n')}\n`, { mode: 0o600 });
}

async function launched(start: BitcoindStart, address: RpcAddress): Promise<DaemonProcess> {
  const words = [...start.binary.command, `-datadir=${start.dataDir}`, ...(start.extraArgs ?? [])];
  const running = startDaemon(words);
  const { child } = running;
  try {
    await until(
      'bitcoind to answer RPC',
      async () => {
        if (hasEnded(child))
          throw new Error(`bitcoind ended with ${child.signalCode ?? child.exitCode}`);
        return answers(address);
      },
      START_TIMEOUT_MS,
    );
    // A ZMQ port that is taken is only a line in bitcoind's log: it goes on without.
    const hooks = await call<unknown[]>(address, 'getzmqnotifications', []);
    if (hooks.length === 0) throw new Error('ZMQ is off: address already in use');
    return running;
  } catch (cause) {
    await endDaemon('bitcoind', running, 'SIGKILL');
    const log = await readFile(path.join(start.dataDir, 'regtest', 'debug.log'), 'utf8').catch(
      () => '',
    );
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${why}\n${running.complaint()}\n${log.slice(-TAIL_CHARS)}`, { cause });
  }
}

/** Another process on that port would not know the password, so an answer is this node's. */
async function answers(address: RpcAddress): Promise<boolean> {
  try {
    await call(address, 'getblockchaininfo', []);
    return true;
  } catch (cause) {
    if (cause instanceof RpcError && !cause.isStarting) throw cause;
    return false;
  }
}
