/**
 * A treasury whose coins are on a regtest chain, spent by our own code: built, exported, signed seat by
 * seat and finalized. The node is the oracle of all of it; one seat's key can be put into a wallet of it.
 */
import { hexToBytes } from '@noble/hashes/utils.js';
import { type BuiltTx, buildUnsignedTx, type Payee } from '../descriptors/build.ts';
import { type DerivedScript, type Deriver, makeDeriver } from '../descriptors/derive.ts';
import {
  branchDescriptor,
  descriptorChecksum,
  makeDescriptor,
  type TreasuryDescriptor,
} from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { type PreviousTx, parsePreviousTx } from '../descriptors/previous-tx.ts';
import { finalizeTx, type SpentCoin, signInputs } from '../descriptors/signature.ts';
import type { CoinRef, SpendPlan } from '../policies/intent.ts';
import { type FeeRate, feerate, sat } from '../policies/units.ts';
import type { DescriptorTemplate } from '../policies/wallet-record.ts';
import type { Bitcoind } from '../regtest/bitcoind.ts';
import { mine, type RegtestNetwork, syncTips } from '../regtest/network.ts';
import { ACCOUNT_PATH, accountOf, masterFingerprintOf } from './treasury-scenario.ts';

const SEATS = ['ana', 'ben', 'cleo', 'dora', 'emil'];
const ONE_BTC = 100_000_000n;

/** What `testmempoolaccept` says of one transaction. */
export interface Verdict {
  allowed: boolean;
  vsize?: number;
  'reject-reason'?: string;
  'reject-details'?: string;
}

export interface OracleTreasury {
  threshold: number;
  seats: readonly string[];
  descriptor: TreasuryDescriptor;
  deriver: Deriver;
  /** Pays the treasury one output each, in one confirmed transaction. */
  fund(network: RegtestNetwork, amounts: readonly bigint[]): Promise<Funded>;
  plan(coins: readonly CoinRef[], change?: Partial<SpendPlan>): SpendPlan;
  build(plan: SpendPlan, payees: readonly Payee[]): BuiltTx;
  /** What each input spends, in the order of the inputs. */
  spent(coins: readonly CoinRef[]): { amountSat: CoinRef['amountSat']; place: DerivedScript }[];
  sign(unsignedTx: Uint8Array, coins: readonly SpentCoin[], seat: number): Uint8Array[];
  /** Signed by the first `threshold` seats of those named. */
  final(unsignedTx: Uint8Array, coins: readonly SpentCoin[], seats?: readonly number[]): string;
  /** A wallet of the node with one seat's key and the others' xpubs, made once; gives its name. */
  seatWallet(node: Bitcoind, seat: number): Promise<string>;
}

export interface Funded {
  coins: CoinRef[];
  previous: Map<string, PreviousTx>;
}

export interface OracleOptions {
  threshold: number;
  of: number;
  template?: DescriptorTemplate;
}

export function oracleTreasury(options: OracleOptions): OracleTreasury {
  const { threshold } = options;
  const seats = SEATS.slice(0, options.of);
  const descriptor = makeDescriptor({
    template: options.template ?? { kind: 'wsh-sortedmulti' },
    threshold,
    keys: seats.map((seat) => ({
      fingerprint: masterFingerprintOf(seat),
      path: ACCOUNT_PATH,
      xpub: accountOf(seat).publicExtendedKey,
    })),
    network: NETWORKS.regtest,
  });
  const deriver = makeDeriver(descriptor);
  const sign: OracleTreasury['sign'] = (unsignedTx, coins, seat) => {
    const account = accountOf(seats[seat] ?? '');
    return signInputs(unsignedTx, coins, ({ branch, index }) => {
      const { privateKey } = account.deriveChild(branch).deriveChild(index);
      if (privateKey === null) throw new Error('a node without a key');
      return privateKey;
    });
  };
  return {
    threshold,
    seats,
    descriptor,
    deriver,
    sign,
    fund: (network, amounts) => fund(network, deriver, amounts),
    plan: (coins, change = {}) => ({
      coins: [...coins],
      feerateSatPerKvb: feerate(2_000n),
      lockTime: 0,
      change: { index: 0 },
      orderSeed: 'cd'.repeat(32),
      anchor: coins[0]?.outpoint ?? '',
      ...change,
    }),
    build: (plan, to) => buildUnsignedTx(plan, to, deriver),
    spent: (coins) =>
      coins.map(({ amountSat, branch, index }) => ({
        amountSat,
        place: deriver.at(branch, index),
      })),
    final(unsignedTx, coins, wanted = seats.map((_, seat) => seat)) {
      const signed = wanted
        .slice(0, threshold)
        .map((seat) => ({ seat, signatures: sign(unsignedTx, coins, seat) }));
      return finalizeTx(unsignedTx, coins, signed, threshold).rawTx;
    },
    seatWallet: (node, seat) => seatWallet(node, descriptor, seats[seat] ?? ''),
  };
}

async function fund(
  network: RegtestNetwork,
  deriver: Deriver,
  amounts: readonly bigint[],
): Promise<Funded> {
  const { first } = network;
  const to = Object.fromEntries(
    amounts.map((amount, index) => [deriver.address(0, index), btcText(amount)]),
  );
  const txid = await first.rpc<string>('sendmany', ['', to], 'miner');
  await mine(network, first, 1);
  await syncTips(network);
  const { hex } = await first.rpc<{ hex: string }>('gettransaction', [txid], 'miner');
  const tx = parsePreviousTx(hexToBytes(hex));
  const coins = amounts.map((amount, index): CoinRef => {
    const { script } = deriver.at(0, index);
    const vout = tx.outputs.findIndex((output) => output.script === script);
    return { outpoint: `${txid}:${vout}`, amountSat: sat(amount), branch: 0, index };
  });
  return { coins, previous: new Map([[txid, tx]]) };
}

async function seatWallet(
  node: Bitcoind,
  descriptor: TreasuryDescriptor,
  seat: string,
): Promise<string> {
  const name = `key of ${seat}, ${descriptor.hash.slice(0, 8)}`;
  if ((await node.rpc<string[]>('listwallets')).includes(name)) return name;
  await node.rpc('createwallet', [name, false, true, null, false, true, false]);
  const account = accountOf(seat);
  const requests = ([0, 1] as const).map((branch) => {
    const [text = ''] = branchDescriptor(descriptor, branch).split('#');
    const body = text.replace(account.publicExtendedKey, account.privateExtendedKey);
    return {
      desc: `${body}#${descriptorChecksum(body)}`,
      internal: branch === 1,
      active: true,
      range: [0, 99],
      timestamp: 'now',
    };
  });
  const made = await node.rpc<{ success: boolean }[]>('importdescriptors', [requests], name);
  if (!made.every(({ success }) => success)) throw new Error(JSON.stringify(made));
  return name;
}

/** Would the node take this transaction now? */
export async function nodeVerdict(node: Bitcoind, rawTx: string): Promise<Verdict> {
  const [verdict] = await node.rpc<Verdict[]>('testmempoolaccept', [[rawTx]]);
  if (verdict === undefined) throw new Error('no verdict');
  return verdict;
}

/** P2WPKH scripts of strangers. */
export function payeesOf(...amounts: readonly bigint[]): Payee[] {
  return amounts.map((amount, n) => ({
    script: `0014${(n + 1).toString(16).padStart(40, '0')}`,
    amountSat: sat(amount),
  }));
}

/** The feerate at which a transaction of this size pays exactly this fee; exact up to 1,000 vB. */
export function feerateFor(feeSat: bigint, vsize: bigint): FeeRate {
  return feerate((feeSat * 1_000n) / vsize);
}

/** Decimal BTC of an amount in sat, as the node reads it. */
function btcText(amount: bigint): string {
  return `${amount / ONE_BTC}.${(amount % ONE_BTC).toString().padStart(8, '0')}`;
}
