/**
 * The published client of such a pool (a TreasuryRouter) as a script, its direct route: reserve, quote, pay, commit
 * or release. It sends null for what it leaves out, reads exactly the fields it declares, and budgets in memory.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';

const hex = z.string().regex(/^[0-9a-f]{64}$/);
const msats = z.int().min(0);
const utc = z.iso.datetime();

/** All of them are needed. */
const quoteAnswer = z.object({
  schema: z.literal('openagents.liquidity.quote_pay_response.v1'),
  quote_id: z.string(),
  idempotency_key: z.string(),
  invoice_hash: hex,
  host: z.string(),
  quoted_amount_msats: msats,
  max_amount_msats: msats,
  max_fee_msats: msats,
  policy_context_sha256: hex,
  valid_until: utc,
  created_at: utc,
});
/** The receipt is needed even where the payment failed. */
const payAnswer = z.object({
  schema: z.literal('openagents.liquidity.pay_response.v1'),
  quote_id: z.string(),
  status: z.string(),
  wallet_receipt_sha256: hex.nullish(),
  preimage_sha256: hex.nullish(),
  paid_at_ms: z.int().nullish(),
  error_code: z.string().nullish(),
  error_message: z.string().nullish(),
  receipt: z.object({
    schema: z.string(),
    receipt_id: z.string(),
    canonical_json_sha256: hex,
  }),
});
const errorAnswer = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

export interface NeobankAsk {
  invoice: string;
  amountMsats: number;
  host: string;
  maxFeeMsats: number;
  key: string;
  policyContext: object;
}

export type NeobankEnd =
  | {
      is: 'committed';
      quoteId: string;
      receipt: z.infer<typeof payAnswer>['receipt'];
      answer: z.infer<typeof payAnswer>;
    }
  | { is: 'released'; code: string };

export interface Neobank {
  quoteAndPay(ask: NeobankAsk): Promise<NeobankEnd>;
  /** What its own budget says of a key: it forgets with its process. */
  reservation(key: string): 'reserved' | 'committed' | 'released' | undefined;
}

/** Step by step as it does it. Any error at all releases its budget, also of what settles later. */
export function neobank(url: string, token: string): Neobank {
  const budget = new Map<string, 'reserved' | 'committed' | 'released'>();

  async function direct(ask: NeobankAsk): Promise<NeobankEnd> {
    const invoice = ask.invoice.trim();
    const quote = await call(url, token, {
      path: '/internal/v1/liquidity/quote_pay',
      body: {
        schema: 'openagents.liquidity.quote_pay_request.v1',
        idempotency_key: `neobank:liq:${ask.key}`,
        invoice,
        host: ask.host.trim().toLowerCase(),
        max_amount_msats: ask.amountMsats + ask.maxFeeMsats,
        max_fee_msats: ask.maxFeeMsats,
        urgency: null,
        policy_context: ask.policyContext,
      },
      answer: quoteAnswer,
    });
    if ('code' in quote) return { is: 'released', code: quote.code };
    const hash = createHash('sha256').update(invoice).digest('hex');
    if (quote.invoice_hash !== hash) return { is: 'released', code: 'contract_error' };
    const paid = await call(url, token, {
      path: '/internal/v1/liquidity/pay',
      body: {
        schema: 'openagents.liquidity.pay_request.v1',
        quote_id: quote.quote_id,
        run_id: null,
        trajectory_hash: null,
      },
      answer: payAnswer,
    });
    if ('code' in paid) return { is: 'released', code: paid.code };
    if (paid.status !== 'succeeded') return { is: 'released', code: paid.error_code ?? '' };
    return { is: 'committed', quoteId: paid.quote_id, receipt: paid.receipt, answer: paid };
  }

  return {
    async quoteAndPay(ask) {
      budget.set(ask.key, 'reserved');
      const end = await direct(ask);
      budget.set(ask.key, end.is);
      return end;
    },
    reservation: (key) => budget.get(key),
  };
}

/** The answer as declared, or the code of a no; another shape is `runtime_error` to this client. */
async function call<S extends z.ZodType>(
  url: string,
  token: string,
  { path, body, answer }: { path: string; body: object; answer: S },
): Promise<z.infer<S> | { code: string }> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }).catch(() => null);
  if (response === null) return { code: 'transport' };
  const json: unknown = await response.json();
  if (!response.ok) {
    const read = errorAnswer.safeParse(json);
    return { code: read.success ? read.data.error.code : 'runtime_error' };
  }
  const read = answer.safeParse(json);
  return read.success ? read.data : { code: `contract_error: ${read.error.message}` };
}
