/** Two LNDs with one channel, and the pool as a process on one of them with an agent that has a balance. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Agent } from 'undici';
import { type Daemon, weirDaemon, weirJson } from '../demo/weir-process.ts';
import { findBitcoind } from '../regtest/bitcoind-binary.ts';
import { freePorts } from '../regtest/free-ports.ts';
import { fundNode, type LightningNetwork, startLightning } from '../regtest/lightning.ts';
import { openChannel } from '../regtest/lightning-channels.ts';
import type { LndNode } from '../regtest/lnd.ts';
import { findLnd } from '../regtest/lnd-binary.ts';
import { startNetwork } from '../regtest/network.ts';

export interface PayWorld {
  /** Who pays, whoever asks it to. */
  payer: LndNode;
  payee: LndNode;
  url: string;
  token: string;
  /** Connections that stay open. */
  agent: Agent;
  operator: Daemon;
  stop(): Promise<void>;
}

const POOL_ID = 'harbour';
const CHANNEL_SAT = 16_000_000;
/** What the pool has of its channel at the start, and books as its capital. */
const GIVEN_SAT = 6_000_000;
const CAPITAL_MSAT = 9_000_000_000n;
/** Longer than any call of a bench. */
const CALL_MS_MAX = 60_000;
const POLICY = new URL(
  import.meta.url.includes('/dist/')
    ? '../../demo/operator-policy.yaml'
    : '../demo/operator-policy.yaml',
  import.meta.url,
);

/** @returns null, having said why, where there is no bitcoind or no LND */
export async function startPayWorld(connections: number): Promise<PayWorld | null> {
  const bitcoind = await findBitcoind();
  const lnd = await findLnd();
  for (const found of [bitcoind, lnd]) {
    if (!('because' in found)) continue;
    process.stderr.write(`no nodes to pay with: ${found.because}\n`);
    return null;
  }
  if ('because' in bitcoind || 'because' in lnd) return null;
  const dir = await mkdtemp(path.join(tmpdir(), 'bench-pay-'));
  const stops: (() => Promise<unknown>)[] = [() => rm(dir, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const each of stops.toReversed()) await each();
  };
  try {
    const network = await startNetwork({ binary: bitcoind, dir: path.join(dir, 'chain') });
    stops.push(() => network.stop());
    const nodes = ['pool', 'left'] as const;
    const lightning = await startLightning({ binary: lnd, network, nodes });
    stops.push(() => lightning.stop());
    const [payer, payee] = [lightning.node('pool'), lightning.node('left')];
    await fundNode(lightning, payer, '1');
    await openChannel(lightning, payer, payee, { sat: CHANNEL_SAT, giveSat: GIVEN_SAT });
    const { operator, url } = await startOperator(dir, lightning);
    stops.push(() => operator.stop());
    const agent = new Agent({ connections, bodyTimeout: CALL_MS_MAX, headersTimeout: CALL_MS_MAX });
    stops.push(() => agent.close());
    const token = await issued(path.join(dir, 'operator'));
    return { payer, payee, url, token, agent, operator, stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}

async function startOperator(
  dir: string,
  lightning: LightningNetwork,
): Promise<{ operator: Daemon; url: string }> {
  const node = lightning.node('pool');
  const macaroons = path.join(dir, 'macaroons');
  const lnd = ['--lnd-socket', node.socket, '--lnd-cert-file', node.certPath];
  await mkdir(dir, { recursive: true });
  const bake = ['operator', 'keys', 'bake', '--network', 'regtest', '--out', macaroons];
  await weirJson([...bake, '--lnd-macaroon-file', node.macaroonPath('admin'), ...lnd]);
  const policy = await textFile(dir, 'policy.yaml', await readFile(POLICY, 'utf8'));
  const passphrase = await textFile(dir, 'passphrase', randomBytes(16).toString('hex'));
  const { rpc: port } = await freePorts();
  const url = `http://127.0.0.1:${port}`;
  const folder = path.join(dir, 'operator');
  const init = ['operator', 'init', '--dir', folder, '--pool-id', POOL_ID, '--network', 'regtest'];
  const listen = ['--policy', policy, '--listen', `127.0.0.1:${port}`, '--url', url];
  const secrets = ['--macaroons', macaroons, '--passphrase-file', passphrase];
  await weirJson([...init, ...listen, ...secrets, ...lnd]);
  const run = ['operator', 'run', '--dir', folder, '--passphrase-file', passphrase];
  const operator = await weirDaemon(run, { log: path.join(dir, 'operator.log') });
  const capital = ['operator', 'capital', '--dir', folder, '--rail', 'ln.local', '--why', 'bench'];
  await weirJson([...capital, '--amount-msat', CAPITAL_MSAT.toString()]);
  return { operator, url };
}

async function issued(folder: string): Promise<string> {
  const issue = ['operator', 'agents', 'issue', 'bench', '--agents', 'bench', '--dir', folder];
  const { token } = await weirJson<{ token: string }>(issue);
  return token;
}

async function textFile(dir: string, name: string, text: string): Promise<string> {
  const file = path.join(dir, name);
  await writeFile(file, text, { mode: 0o600 });
  return file;
}
