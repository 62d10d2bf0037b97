/**
 * The pool beside a treasury: five LNDs, an operator process on one of them, a treasury whose guardians look at that
 * node before they sign. Driven through the `weir` command and the pool's HTTP API, as its users drive it.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type PoolClient, weirClient } from '../operator/client.ts';
import { freePorts } from '../regtest/free-ports.ts';
import { type LightningNetwork, type NodeName, startLightning } from '../regtest/lightning.ts';
import { openRing } from '../regtest/lightning-channels.ts';
import type { LndNode } from '../regtest/lnd.ts';
import type { LndBinary } from '../regtest/lnd-binary.ts';
import type { RegtestNetwork } from '../regtest/network.ts';
import { fundTreasury } from './decisions.ts';
import { type Daemon, weirDaemon, weirJson } from './weir-process.ts';
import { policyFor, type Quorum, secretFile, startWorld, type World } from './world.ts';

export interface PoolStart {
  dir: string;
  lnd: LndBinary;
  bitcoind: Parameters<typeof startWorld>[0]['binary'];
  quorum: Quorum;
  network: RegtestNetwork;
  /** Coins of the treasury, as text of BTC. */
  coinsBtc: readonly string[];
  nodes?: readonly NodeName[];
  /** Words of the operator's policy that a test wants otherwise. */
  operatorPolicy?: (text: string) => string;
  treasuryPolicy?: (text: string) => string;
}

export interface PoolWorld {
  dir: string;
  treasury: World;
  lightning: LightningNetwork;
  operator: {
    dir: string;
    daemon: Daemon | null;
    url: string;
    receiptKey: string;
    wordKey: string;
  };
  stop(): Promise<void>;
}

const POOL_ID = 'harbour';
const OPERATOR_POLICY = new URL(
  import.meta.url.includes('/dist/') ? '../../demo/operator-policy.yaml' : 'operator-policy.yaml',
  import.meta.url,
);

/** Nodes joined, ceremony over, treasury funded, operator running; the pool has no channel yet. */
export async function startPoolWorld(start: PoolStart): Promise<PoolWorld> {
  const { dir, network } = start;
  const lightning = await startLightning({
    binary: start.lnd,
    network,
    dir: path.join(dir, 'lightning'),
    ...(start.nodes === undefined ? {} : { nodes: start.nodes }),
  });
  const stops: (() => Promise<unknown>)[] = [() => lightning.stop()];
  try {
    const macaroons = path.join(dir, 'macaroons');
    const pool = lightning.node('pool');
    const baked = await bake(pool, macaroons);
    const operator = {
      dir: path.join(dir, 'operator'),
      daemon: null as Daemon | null,
      url: '',
      receiptKey: '',
      wordKey: '',
    };
    const treasuryDir = path.join(dir, 'treasury');
    const [treasury] = await Promise.all([
      initOperator(start, lightning, { operator, macaroons, socket: pool.socket }).then(() =>
        startTreasury(start, lightning, {
          dir: treasuryDir,
          macaroons,
          baked,
          wordKey: operator.wordKey,
        }),
      ),
      openRing(lightning),
    ]);
    stops.unshift(() => treasury.stop());
    const world: PoolWorld = {
      dir,
      treasury,
      lightning,
      operator,
      async stop() {
        await operator.daemon?.stop();
        for (const stop of stops) await stop();
      },
    };
    await believe(world);
    await startOperator(world);
    await fundTreasury(treasury, start.coinsBtc);
    return world;
  } catch (cause) {
    for (const stop of stops) await stop();
    throw cause;
  }
}

interface Baked {
  macaroons: Record<string, string>;
  walletDescriptor: string;
}

export function bake(node: LndNode, out: string): Promise<Baked> {
  return weirJson<Baked>([
    ...['operator', 'keys', 'bake', '--network', 'regtest', '--out', out],
    ...['--lnd-socket', node.socket, '--lnd-cert-file', node.certPath],
    ...['--lnd-macaroon-file', node.macaroonPath('admin')],
  ]);
}

/** Makes the operator's folder, and fills in where it is found and what it signs with. `socket`: the way to its node. */
export async function initOperator(
  start: Pick<PoolStart, 'dir' | 'network' | 'operatorPolicy'>,
  lightning: LightningNetwork,
  {
    operator,
    macaroons,
    socket,
  }: { operator: PoolWorld['operator']; macaroons: string; socket: string },
): Promise<void> {
  const { dir, network } = start;
  const files = { dir } as World;
  const text = (await readFile(OPERATOR_POLICY, 'utf8')).replace(
    'inbound: []',
    `inbound:\n    - { node: "${keyOf(lightning, 'left')}", name: left, min_sat: 100_000, max_sat: 10_000_000 }`,
  );
  const policyFile = await textFile(
    files,
    'operator-policy.yaml',
    start.operatorPolicy?.(text) ?? text,
  );
  const passphrase = await secretFile(files, 'operator.passphrase');
  const password = await textFile(files, 'operator-rpc.password', `${network.first.rpcPassword}\n`);
  const { rpc: port } = await freePorts();
  operator.url = `http://127.0.0.1:${port}`;
  const { certPath } = lightning.node('pool');
  const made = await weirJson<{ receiptKey: string; wordKey: string }>([
    ...['operator', 'init', '--dir', operator.dir, '--pool-id', POOL_ID, '--network', 'regtest'],
    ...['--policy', policyFile, '--listen', `127.0.0.1:${port}`, '--url', operator.url],
    ...['--lnd-socket', socket, '--lnd-cert-file', certPath, '--macaroons', macaroons],
    ...['--passphrase-file', passphrase, '--bitcoind-url', network.first.rpcUrl],
    ...['--bitcoind-user', network.first.rpcUser, '--bitcoind-password-file', password],
  ]);
  Object.assign(operator, made);
}

async function startTreasury(
  start: PoolStart,
  lightning: LightningNetwork,
  of: { dir: string; macaroons: string; baked: Baked; wordKey: string },
): Promise<World> {
  const node = lightning.node('pool');
  const flags = [
    ...['--lnd-socket', node.socket, '--lnd-cert-file', node.certPath],
    ...['--lnd-macaroon-file', path.join(of.macaroons, 'agent.macaroon')],
  ];
  const { quorum, network, bitcoind } = start;
  const text = channelPolicy(await policyFor(quorum), lightning, of);
  const policy = start.treasuryPolicy?.(text) ?? text;
  const seats = ['ana', 'ben', 'cleo', 'dora', 'emil'].slice(0, quorum.of);
  const initFlags = new Map(seats.map((seat) => [seat, flags]));
  return startWorld({ dir: of.dir, binary: bitcoind, quorum, network, policy, initFlags });
}

/** What the guardians let the pool do: channels to two peers, attested by its key, the node's wallet as hot. */
export function channelPolicy(
  text: string,
  lightning: LightningNetwork,
  { baked, wordKey }: { baked: Baked; wordKey: string },
): string {
  const peers = (['left', 'right'] as const)
    .filter((name) => lightning.nodes.has(name))
    .map(
      (name) =>
        `      - { node: ${keyOf(lightning, name)}, name: ${name}, max_capacity: 16_000_000 }`,
    );
  return text
    .replace(
      'hot: []',
      `hot: [{ name: node, descriptor: "${baked.walletDescriptor}", max_index_gap: 20, active_from: 0 }]`,
    )
    .replace('cooperative: { approvals: 0 }', 'cooperative: { approvals: 2 }')
    .replace(
      'channel_open: not_yet',
      `channel_open:
    peers:
${peers.join('\n')}
    min_channel: 100_000
    max_channel: 16_000_000
    max_channels: 3
    attested_by: ${wordKey}
    reserve: { to: hot, max: 100_000 }
    min_change: 50_000
    approvals: 0
    windows:
      - { blocks: 144, max: 40_000_000, max_count: 10 }`,
    );
}

function keyOf(lightning: LightningNetwork, name: NodeName): string {
  return lightning.node(name).publicKey;
}

async function believe({ treasury, operator }: PoolWorld): Promise<void> {
  const invite = path.join(treasury.coordinator.dir, 'invites', 'ana.json');
  const { coordinatorKey } = JSON.parse(await readFile(invite, 'utf8')) as {
    coordinatorKey: string;
  };
  await weirJson([
    ...['operator', 'treasury', '--dir', operator.dir, '--id', treasury.treasuryId],
    ...['--socket', path.join(treasury.coordinator.dir, 'pool.sock')],
    ...['--coordinator-key', coordinatorKey],
  ]);
}

/** Starts, or starts again, the operator. */
export async function startOperator(
  { dir, operator }: Pick<PoolWorld, 'dir' | 'operator'>,
  env: Record<string, string> = {},
): Promise<void> {
  const passphrase = path.join(dir, 'operator.passphrase');
  operator.daemon = await weirDaemon(
    ['operator', 'run', '--dir', operator.dir, '--passphrase-file', passphrase],
    { log: path.join(dir, 'operator.log'), env },
  );
}

/** One command of the operator with `--json`. */
export function operatorJson<T>(
  { operator }: Pick<PoolWorld, 'operator'>,
  args: readonly string[],
  ok: readonly number[] = [0],
): Promise<T> {
  return weirJson<T>(['operator', ...args, '--dir', operator.dir], ok);
}

/** A client with a token of its own, for the agents it names; the first is the default. */
export async function callerFor(
  world: Pick<PoolWorld, 'operator'>,
  credentialId: string,
  agents: readonly string[],
  more: readonly string[] = [],
): Promise<PoolClient & { token: string }> {
  const { token } = await operatorJson<{ token: string }>(world, [
    ...['agents', 'issue', credentialId, '--agents', agents.join(','), ...more],
  ]);
  return { ...weirClient({ url: world.operator.url, token }), token };
}

async function textFile(world: Pick<World, 'dir'>, name: string, text: string): Promise<string> {
  await mkdir(world.dir, { recursive: true, mode: 0o700 });
  const file = path.join(world.dir, name);
  await writeFile(file, text, { mode: 0o600 });
  return file;
}
