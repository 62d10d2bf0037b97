/**
 * Pays one invoice, as a program that may be killed at any line: run again with the same order, it pays once.
 * `node dist/demo/pay-invoice.js ORDER INVOICE`, with WEIR_URL, WEIR_TOKEN and WEIR_POOL_KEY in the environment.
 */
import { weirClient } from '../operator/client.ts';
import { verifyReceipt } from '../operator/receipts/verify.ts';

const [order = '', invoice = ''] = process.argv.slice(2);
const { WEIR_URL: url = '', WEIR_TOKEN: token = '', WEIR_POOL_KEY: poolKey = '' } = process.env;
process.exitCode = await main();

async function main(): Promise<number> {
  const pool = weirClient({ url, token });
  const quoted = await pool.quotePay({
    // The purchase's own name: the same name gives the same quote, also after a restart.
    idempotency_key: order,
    invoice,
    host: 'shop.example',
    max_amount_msats: 50_000_000,
    max_fee_msats: 100_000,
  });
  if (quoted.is !== 'ok') return ended(quoted);
  // The identical request until it is final; 409 in flight and silence are waited for.
  const paid = await pool.settle({ quote_id: quoted.body.quote_id });
  if (paid.is !== 'ok') return ended(paid);
  const { status, receipt, payment_proof, route_fee_msats, service_fee_msats } = paid.body;
  const { verdict, receiptId } = verifyReceipt(receipt, null, poolKey);
  console.log(`${status}, receipt ${receiptId} ${verdict}`);
  console.log(
    `fees ${route_fee_msats + service_fee_msats} msat, preimage ${payment_proof?.preimage}`,
  );
  return status === 'succeeded' && verdict === 'holds' ? 0 : 1;
}

type No = { is: 'refused'; error: { reason_code: string } } | { is: 'unknown'; why: string };

/** 4 was refused; 5 is not known yet: run the same command again. */
function ended(answer: No): number {
  console.error(answer.is === 'refused' ? answer.error.reason_code : `unknown: ${answer.why}`);
  return answer.is === 'refused' && answer.error.reason_code !== 'payment_in_flight' ? 4 : 5;
}
