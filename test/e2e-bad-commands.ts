/** Bad arguments and files as people give them to commands: what is asked, and how it has to end. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { homeOf, policyFor, type World } from '../demo/world.ts';
import { toWire } from '../policies/canonical-json.ts';
import { parsePolicy, policyHash } from '../policies/policy.ts';
import { signedOrder } from './e2e-world.ts';

const NOTHING = 'ee'.repeat(32);
const POLICY = await policyFor({ threshold: 2, of: 3 });

/** BIP-174's smallest: one input of zeros, one output, no maps filled. */
const FOREIGN_TX = `0200000001${'11'.repeat(32)}0000000000fdffffff01e803000000000000160014${'22'.repeat(20)}00000000`;
const FOREIGN_PSBT = Buffer.from(`70736274ff010052${FOREIGN_TX}000000`, 'hex');

function ofAna(world: World, verb: string, ...rest: readonly string[]): string[] {
  return ['signer-agent', verb, ...rest, '--dir', homeOf(world, 'ana').dir];
}

function ofCoordinator(world: World, ...args: readonly string[]): string[] {
  return ['coordinator', ...args, '--dir', world.coordinator.dir];
}

async function fileOf(world: World, content: string | Uint8Array): Promise<string> {
  const file = path.join(world.dir, `bad-${randomBytes(6).toString('hex')}`);
  await writeFile(file, content);
  return file;
}

async function imported(world: World, psbt: Uint8Array): Promise<string[]> {
  return ofAna(world, 'import', await fileOf(world, psbt));
}

async function policied(world: World, text: string, activatesAt = '9000'): Promise<string[]> {
  const file = await fileOf(world, text);
  return ofCoordinator(world, 'propose', 'policy', file, '--activates-at', activatesAt);
}

/** What may follow the policy of the world, with one thing changed. */
function nextPolicy(from: string, to: string): string {
  const next = POLICY.replace('version: 1', 'version: 2')
    .replace('previous: null', `previous: "sha256:${policyHash(parsePolicy(POLICY))}"`)
    .replace('activates_at_height: 0', 'activates_at_height: 9_000');
  if (!next.includes(from)) throw new Error(`the policy has no ${from}`);
  return next.replace(from, to);
}

function moved(world: World, to: string, amount: string): string[] {
  return ofCoordinator(world, 'propose', 'move', '--to', to, `--amount=${amount}`);
}

interface OrderText {
  body: Record<string, unknown>;
}

/** An order that `lp-one` signed, and what became of it on its way. */
async function ordered(
  world: World,
  spoil: (order: OrderText) => object,
  change: { expiryHeight?: number } = {},
  amountSat = '200000',
): Promise<string[]> {
  const { order } = await signedOrder(world, amountSat, change);
  const text = JSON.stringify(spoil(toWire(order) as OrderText));
  return ofCoordinator(world, 'order', await fileOf(world, text));
}

export type Args = (world: World) => Promise<readonly string[]> | readonly string[];

/** What is asked, the exit code, and the code in the JSON. */
export const COMMANDS: readonly [what: string, args: Args, exit: number, code: string | null][] = [
  ['to import an empty PSBT', (world) => imported(world, Buffer.alloc(0)), 1, 'PSBT_INVALID'],
  [
    'to import what is no PSBT',
    (world) => imported(world, Buffer.from('hello')),
    1,
    'PSBT_INVALID',
  ],
  [
    'to import a PSBT that ends too early',
    (world) => imported(world, Buffer.from('70736274ff0100', 'hex')),
    1,
    'PSBT_INVALID',
  ],
  [
    'to import a PSBT of a foreign transaction',
    (world) => imported(world, FOREIGN_PSBT),
    1,
    'NOT_FOUND',
  ],
  [
    'to import what is not there',
    (world) => ofAna(world, 'import', '/nowhere/at-all.psbt'),
    1,
    'NOT_FOUND',
  ],
  [
    'to verify what is no proposal file',
    async (world) => [
      ...ofAna(world, 'verify', await fileOf(world, '{"schema":"x"}')),
      '--passphrase-file',
      path.join(world.dir, 'ana.passphrase'),
    ],
    1,
    'INPUT_INVALID',
  ],
  ['to review nothing', (world) => ofAna(world, 'review', NOTHING), 1, 'NOT_FOUND'],
  ['to refuse nothing', (world) => ofAna(world, 'refuse', NOTHING), 1, 'NOT_FOUND'],
  ['an id that is none', (world) => ofAna(world, 'review', 'xyz'), 2, null],
  [
    'a policy with a typo',
    (world) => policied(world, POLICY.replace('per_tx:', 'per_txx:')),
    1,
    'POLICY_INVALID',
  ],
  ['a policy that is no YAML', (world) => policied(world, 'limits: ['), 1, 'POLICY_INVALID'],
  [
    'a policy with a float',
    (world) => policied(world, POLICY.replace('per_tx: 50_000_000', 'per_tx: 5e7')),
    1,
    'POLICY_INVALID',
  ],
  [
    'a policy of another network',
    (world) => policied(world, nextPolicy('network: regtest', 'network: signet')),
    4,
    null,
  ],
  [
    'a policy that follows none',
    (world) => policied(world, nextPolicy('version: 2', 'version: 7')),
    4,
    null,
  ],
  ['a move to an entry that is none', (world) => moved(world, 'vault-x', '1000'), 1, 'NOT_FOUND'],
  ['a negative amount', (world) => moved(world, 'vault-x', '-1000'), 1, 'INPUT_INVALID'],
  [
    'an amount above all money',
    (world) => moved(world, 'vault-x', '2100000000000001'),
    1,
    'INPUT_INVALID',
  ],
  ['an amount with a point', (world) => moved(world, 'vault-x', '1.5'), 1, 'INPUT_INVALID'],
  [
    'an amount in scientific notation',
    (world) => moved(world, 'vault-x', '1e6'),
    1,
    'INPUT_INVALID',
  ],
  ['no amount at all', (world) => moved(world, 'vault-x', ''), 1, 'INPUT_INVALID'],
  ['an index that is negative', (world) => moved(world, 'vault-x:-1', '1000'), 1, 'INPUT_INVALID'],
  [
    'an order of an unknown LP',
    (world) => ordered(world, (order) => ({ ...order, body: { ...order.body, lpId: 'lp-none' } })),
    4,
    'REQUEST_REFUSED',
  ],
  [
    'an order with another amount than was signed',
    (world) =>
      ordered(world, (order) => ({ ...order, body: { ...order.body, amountSat: '999999' } })),
    1,
    'SIGNATURE_INVALID',
  ],
  [
    'an order for another network',
    (world) =>
      ordered(world, (order) => ({ ...order, body: { ...order.body, network: 'bitcoin' } })),
    4,
    'REQUEST_REFUSED',
  ],
  [
    'an order with an unknown field',
    (world) => ordered(world, (order) => ({ ...order, hurry: 'yes' })),
    1,
    'INPUT_INVALID',
  ],
  [
    'an order that expired',
    (world) => ordered(world, (order) => order, { expiryHeight: 3 }),
    4,
    'REQUEST_REFUSED',
  ],
  ['an order of dust', (world) => ordered(world, (order) => order, {}, '10'), 4, 'REQUEST_REFUSED'],
  [
    'half an order',
    async (world) => ofCoordinator(world, 'order', await fileOf(world, '{"body":{"treasu')),
    1,
    'INPUT_INVALID',
  ],
  [
    'an order file above the bound',
    async (world) => ofCoordinator(world, 'order', await fileOf(world, ' '.repeat(2_000_001))),
    1,
    'INPUT_TOO_LARGE',
  ],
  [
    'a registry that is no list',
    async (world) => ofCoordinator(world, 'propose', 'registry', await fileOf(world, '{}')),
    1,
    'INPUT_INVALID',
  ],
  ['a batch of no orders', (world) => ofCoordinator(world, 'propose', 'batch'), 6, 'NOT_READY'],
  [
    'a bump of nothing',
    (world) => ofCoordinator(world, 'propose', 'bump', '--of', NOTHING),
    1,
    'NOT_FOUND',
  ],
  [
    'a negative feerate',
    (world) => ofCoordinator(world, 'propose', 'bump', '--of', NOTHING, '--feerate', '-1'),
    1,
    'INPUT_INVALID',
  ],
  ['a cancel of nothing', (world) => ofCoordinator(world, 'cancel', NOTHING), 1, 'NOT_FOUND'],
  ['to show nothing', (world) => ofCoordinator(world, 'show', NOTHING), 1, 'NOT_FOUND'],
  [
    'the word of an operator who is none',
    (world) =>
      ofCoordinator(
        world,
        'approve',
        NOTHING,
        '--operator',
        'mallory',
        '--passphrase-file',
        path.join(world.dir, 'olga.passphrase'),
      ),
    1,
    'NOT_FOUND',
  ],
  [
    'a breaker that neither trips nor resets',
    (world) => ofCoordinator(world, 'propose', 'breaker', 'explode'),
    1,
    'INPUT_INVALID',
  ],
  [
    'a height that is none',
    async (world) =>
      ofCoordinator(
        world,
        'propose',
        'policy',
        await fileOf(world, POLICY),
        '--activates-at',
        'soon',
      ),
    1,
    'INPUT_INVALID',
  ],
];
