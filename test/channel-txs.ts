/** Transactions of a Lightning node in memory: good enough for a fake chain, signed by nobody. */
import { createHash } from 'node:crypto';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { RawTx } from '@scure/btc-signer/script.js';

/** Spends a funding output to us and to the peer, each what is its own. */
export function closingTx(
  outpoint: string,
  ours: { script: string; amount: bigint },
  peerAmount: bigint,
): string {
  const outputs = [
    { amount: ours.amount, script: hexToBytes(ours.script) },
    { amount: peerAmount, script: hexToBytes(`0014${'77'.repeat(20)}`) },
  ];
  return rawOf(
    outpoint,
    outputs.filter(({ amount }) => amount > 0n),
  );
}

/** A peer's own transaction that funds a channel to us. */
export function fundingTx(n: number, script: string, amount: bigint): string {
  const from = createHash('sha256').update(`peer coin ${n}`).digest('hex');
  return rawOf(`${from}:0`, [{ amount, script: hexToBytes(script) }]);
}

function rawOf(outpoint: string, outputs: { amount: bigint; script: Uint8Array }[]): string {
  const [txid = '', vout = '0'] = outpoint.split(':');
  return bytesToHex(
    RawTx.encode({
      segwitFlag: true,
      version: 2,
      inputs: [
        {
          txid: hexToBytes(txid),
          index: Number.parseInt(vout, 10),
          finalScriptSig: new Uint8Array(),
          sequence: 0xffffffff,
        },
      ],
      outputs,
      witnesses: [[new Uint8Array([1])]],
      lockTime: 0,
    }),
  );
}
