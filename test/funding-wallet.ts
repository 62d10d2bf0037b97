/** A single-key wallet of bitcoind that funds channels: unsigned first, signed when told. */
import type { RegtestNetwork } from '../regtest/network.ts';

export interface FundingTx {
  txid: string;
  /** Base64, unsigned. */
  psbt: string;
  /** Hex, without witness. */
  unsignedTx: string;
  /** Outputs by address. */
  voutOf(address: string): number;
}

const MINER = 'miner';
const SAT_PER_BTC = 100_000_000n;

/** Spends coins that stay locked, so that a second call takes others. */
export async function fundingTx(
  { first }: RegtestNetwork,
  outputs: readonly { address: string; amountSat: bigint }[],
): Promise<FundingTx> {
  const wanted = outputs.map(({ address, amountSat }) => ({ [address]: btc(amountSat) }));
  const coins = await first.rpc<Coin[]>('listunspent', [1], MINER);
  // The wallet has coins of other kinds, too, whose spending changes the txid.
  const coin = coins.find(({ desc, amount }) => desc.startsWith('wpkh(') && amount > 1);
  if (coin === undefined) throw new Error('the miner has no coin that will do');
  const options = {
    add_inputs: false,
    change_type: 'bech32',
    lockUnspents: true,
    fee_rate: 5,
    replaceable: false,
  };
  const input = { txid: coin.txid, vout: coin.vout };
  const { psbt } = await first.rpc<{ psbt: string }>(
    'walletcreatefundedpsbt',
    [[input], wanted, 0, options],
    MINER,
  );
  return txOf(first, await first.rpc<string>('utxoupdatepsbt', [psbt]));
}

/** Another transaction of the same coins. */
export async function conflictWith(
  { first }: RegtestNetwork,
  { psbt }: FundingTx,
  address: string,
): Promise<FundingTx> {
  const { tx } = await first.rpc<Decoded>('decodepsbt', [psbt]);
  const inputs = tx.vin.map(({ txid, vout }) => ({ txid, vout }));
  const total = tx.vout.reduce((sum, { value }) => sum + satOf(value), 0n);
  const bare = await first.rpc<string>('createpsbt', [inputs, [{ [address]: btc(total) }]]);
  const filled = await first.rpc<{ psbt: string }>('walletprocesspsbt', [bare, false], MINER);
  return txOf(first, filled.psbt);
}

/** Hex, ready to be broadcast. */
export async function signedTx({ first }: RegtestNetwork, { psbt }: FundingTx): Promise<string> {
  const signed = await first.rpc<{ psbt: string }>('walletprocesspsbt', [psbt, true], MINER);
  const { hex } = await first.rpc<{ hex: string }>('finalizepsbt', [signed.psbt]);
  return hex;
}

interface Coin {
  txid: string;
  vout: number;
  desc: string;
  amount: number;
}

interface Decoded {
  tx: {
    txid: string;
    locktime: number;
    vin: { txid: string; vout: number; sequence: number }[];
    vout: { n: number; value: number; scriptPubKey: { address?: string } }[];
  };
}

async function txOf(first: RegtestNetwork['first'], psbt: string): Promise<FundingTx> {
  const { tx } = await first.rpc<Decoded>('decodepsbt', [psbt]);
  const outputs = tx.vout.map(({ value, scriptPubKey }) => ({
    [scriptPubKey.address ?? '']: btc(satOf(value)),
  }));
  const inputs = tx.vin.map(({ txid, vout, sequence }) => ({ txid, vout, sequence }));
  const unsignedTx = await first.rpc<string>('createrawtransaction', [
    inputs,
    outputs,
    tx.locktime,
  ]);
  const same = await first.rpc<{ txid: string }>('decoderawtransaction', [unsignedTx]);
  if (same.txid !== tx.txid) throw new Error('the transaction is made otherwise');
  return {
    txid: tx.txid,
    psbt,
    unsignedTx,
    voutOf: (address) =>
      tx.vout.find(({ scriptPubKey }) => scriptPubKey.address === address)?.n ?? -1,
  };
}

function btc(amountSat: bigint): string {
  const digits = amountSat.toString().padStart(9, '0');
  return `${digits.slice(0, -8)}.${digits.slice(-8)}`;
}

function satOf(value: number): bigint {
  return BigInt(Math.round(value * Number(SAT_PER_BTC)));
}
