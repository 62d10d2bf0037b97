/** What the pool does for its operator, behind the socket. */
import { randomBytes } from 'node:crypto';
import { EXIT } from '../console/exit-code.ts';
import { satText, tableText } from '../console/print.ts';
import { Failure } from '../policies/failure.ts';
import { msat } from '../policies/units.ts';
import type { AdminService, Answer, CredentialAsk } from './admin-protocol.ts';
import { mintToken } from './auth/token.ts';
import { decideCapital } from './capital-decision.ts';
import { decideIssue, decideRevoke } from './credential-decision.ts';
import { decideDifference } from './difference-decision.ts';
import { giveUpPayment } from './give-up.ts';
import { accountRows } from './ledger/ledger.ts';
import type { Payer } from './lightning.ts';
import { finalAnswer, pay, quotePay } from './liquidity-service.ts';
import { decideMode } from './mode-decision.ts';
import { isNodeFailure } from './node-failure.ts';
import type { ApiRefusal, Caller } from './pool-api.ts';
import type { PoolServiceOptions } from './pool-service.ts';
import type { Payment } from './pool-state.ts';
import { wired as onWire, quotePayRequest } from './protocol.ts';
import { receiptDocument } from './receipts/proof.ts';
import { type ReconcileOptions, reconcileOnce } from './reconcile.ts';
import { type StatusParts, statusAnswer } from './status-answer.ts';

export interface AdminOptions extends PoolServiceOptions, Pick<StatusParts, 'places' | 'refusals'> {
  payer: Pick<Payer, 'estimate' | 'lookUp'>;
  reconcile: ReconcileOptions;
  /** Has all booked that forwards earned by now. */
  forwards: { catchUp(): Promise<void> };
}

export function adminService(options: AdminOptions): AdminService {
  const { engine, desk } = options;
  return {
    status: () => statusAnswer(options),
    books: () => booksAnswer(options),
    credentials: async () => credentialsAnswer(options),
    issue: (ask) => issued(options, ask),
    async revoke(id) {
      const done = await engine.act((state, nowMs) => decideRevoke(state, nowMs, id));
      if (!done) throw new Failure('NOT_FOUND', `there is no live credential ${id}`);
      return { json: { id, state: 'revoked' }, text: `revoked ${id}`, exit: EXIT.done };
    },
    pay: (ask) => paid(options, ask),
    async payments(limit) {
      await engine.durable();
      const newest = [...engine.state().payments.values()].slice(-limit).toReversed();
      return { json: newest.map(paymentRow), text: paymentsText(newest), exit: EXIT.done };
    },
    async setMode(ask) {
      const { changed, text } = await engine.act((state, nowMs) => decideMode(state, nowMs, ask));
      return { json: { mode: engine.state().mode, changed }, text, exit: EXIT.done };
    },
    async bringCapital(ask) {
      const done = await engine.act((state, nowMs) => decideCapital(state, nowMs, ask));
      if ('rule' in done) throw new Failure('INPUT_INVALID', done.rule);
      const { receiptId } = done;
      return {
        json: { receiptId, ...ask },
        text: `booked ${ask.amountMsat} msat of capital on ${ask.rail}, receipt ${receiptId}`,
        exit: EXIT.done,
      };
    },
    bookDifference: (ask) => differenceBooked(options, ask),
    async giveUp(ask) {
      await giveUpPayment(options, ask);
      const text = `given up: what ${ask.quoteId} held is its agent's again`;
      return { json: { ...ask, state: 'failed' }, text, exit: EXIT.done };
    },
    async receipts(limit) {
      await engine.durable();
      const newest = [...engine.state().receipts].slice(-limit).toReversed();
      return {
        json: newest.map(([id, seq]) => ({ id, seq })),
        text: newest.map(([id, seq]) => `${id}  entry ${seq}`).join('\n'),
        exit: EXIT.done,
      };
    },
    async receipt(id) {
      const { signed, seq } = await desk.receipt(id);
      const document = receiptDocument(signed.receipt, await desk.proofAt(seq));
      return { json: document, text: JSON.stringify(document, null, 2), exit: EXIT.done };
    },
    async reconcile() {
      const forwards = await caughtUp(options.forwards);
      const done = await reconcileOnce(options.reconcile, engine.state().openedAtMs);
      const text =
        done.unknown.length === 0
          ? `${done.matched} payments of the node are in the books${FORWARDS_TEXT[forwards]}`
          : `FROZEN: the node made payments that nobody ordered: ${done.unknown.join(', ')}`;
      return {
        json: { ...done, forwards },
        text,
        exit: done.unknown.length === 0 ? EXIT.done : EXIT.integrityViolated,
      };
    },
  };
}

const FORWARDS_TEXT = { booked: '', unread: '; what forwards earned could not be read' };

/** Payments are matched whatever the node says of its forwards. */
async function caughtUp(forwards: AdminOptions['forwards']): Promise<'booked' | 'unread'> {
  try {
    await forwards.catchUp();
    return 'booked';
  } catch (cause) {
    if (isNodeFailure(cause)) return 'unread';
    throw cause;
  }
}

async function booksAnswer({ engine }: AdminOptions): Promise<Answer> {
  await engine.durable();
  const rows = accountRows(engine.state().ledger);
  return {
    json: { seq: engine.state().seq, accounts: rows },
    text: tableText(
      ['account', 'balance'],
      rows.map(({ account, balance, unit }) => [account, `${balance} ${unit}`]),
    ),
    exit: EXIT.done,
  };
}

function credentialsAnswer({ engine }: AdminOptions): Answer {
  const all = [...engine.state().credentials.values()].map(
    ({ tokenHash: _hash, ...shown }) => shown,
  );
  return {
    json: all,
    text: tableText(
      ['id', 'role', 'agents', 'actions', 'state', 'until'],
      all.map(({ id, role, agents, actions, state, expiresAtMs }) => [
        id,
        role,
        agents.join(' '),
        actions.join(' '),
        state,
        new Date(expiresAtMs).toISOString(),
      ]),
    ),
    exit: EXIT.done,
  };
}

async function issued({ engine, now }: AdminOptions, ask: CredentialAsk): Promise<Answer> {
  const { lifetimeMs, nostrKey, ...rest } = ask;
  const minted = nostrKey === null ? mintToken(randomBytes(32)) : null;
  const credential = {
    ...rest,
    expiresAtMs: now() + lifetimeMs,
    tokenHash: minted?.tokenHash ?? null,
    nostrKey,
  };
  const rule = await engine.act((state, nowMs) => decideIssue(state, nowMs, credential));
  if (rule !== null) throw new Failure('INPUT_INVALID', rule);
  const json = {
    id: ask.id,
    token: minted?.token ?? null,
    nostrKey,
    expiresAtMs: credential.expiresAtMs,
  };
  const text =
    minted === null
      ? `issued ${ask.id} to the key ${nostrKey}`
      : `issued ${ask.id}; the token is shown this once:\n${minted.token}`;
  return { json, text, exit: EXIT.done };
}

async function differenceBooked(
  { engine }: AdminOptions,
  ask: Parameters<AdminService['bookDifference']>[0],
): Promise<Answer> {
  const done = await engine.act((state, nowMs) => decideDifference(state, nowMs, ask));
  if ('rule' in done) throw new Failure('INPUT_INVALID', done.rule);
  const { rail, found, amountMsat } = ask;
  return {
    json: { ...done, ...ask },
    text: `booked ${amountMsat} msat ${found} on ${rail}, receipt ${done.receiptId}`,
    exit: EXIT.done,
  };
}

/** The operator itself pays: the same quote, the same limits, the same receipt. */
async function paid(
  options: AdminOptions,
  ask: Parameters<AdminService['pay']>[0],
): Promise<Answer> {
  const caller: Caller = {
    credentialId: 'operator',
    agentId: ask.agentId,
    role: 'operator',
    actions: ['pay', 'read', 'admin'],
    perPaymentMsat: null,
    perDayMsat: null,
  };
  const invoice = options.reader.readInvoice(ask.invoice);
  if ('rule' in invoice) throw new Failure('INPUT_INVALID', invoice.rule);
  const quoted = await quotePay(
    options,
    caller,
    quotePayRequest.parse({
      schema: 'openagents.liquidity.quote_pay_request.v1',
      idempotency_key: ask.idempotencyKey,
      invoice: ask.invoice,
      host: 'operator',
      max_amount_msats: onWire(invoice.amountMsat ?? msat(0n)),
      max_fee_msats: onWire(ask.maxFeeMsat),
      funding: ask.funding,
    }),
  );
  if (quoted.is === 'refused') return refusedAnswer(quoted.refusal);
  const { quote_id } = quoted.body;
  const answer = await pay(options, caller, {
    schema: 'openagents.liquidity.pay_request.v1',
    quote_id,
    run_id: null,
    trajectory_hash: null,
    policy_id: null,
  });
  if (answer.is === 'refused') return refusedAnswer(answer.refusal);
  const { status, route_fee_msats } = await finalAnswer(options, quote_id);
  const done = status === 'succeeded';
  return {
    json: onWire(answer.body),
    text: done
      ? `paid, route fee ${route_fee_msats} msat, quote ${quote_id}`
      : `failed: ${answer.body.error_code}`,
    exit: done ? EXIT.done : EXIT.failed,
  };
}

function refusedAnswer(refusal: ApiRefusal): Answer {
  const unknown = refusal.reasonCode === 'payment_in_flight';
  return {
    json: { refused: refusal },
    text: `${refusal.reasonCode}: ${refusal.message}`,
    exit: unknown ? EXIT.outcomeUnknown : EXIT.refused,
  };
}

function paymentRow({ quote, state, routeFeeMsat, reservedAtMs, finalSeq }: Payment) {
  const { quoteId, agentId, amountMsat, paymentHash, purpose } = quote;
  return {
    quoteId,
    agentId,
    purpose,
    amountMsat,
    routeFeeMsat,
    state,
    paymentHash,
    reservedAtMs,
    finalSeq,
  };
}

function paymentsText(payments: readonly Payment[]): string {
  return tableText(
    ['when', 'agent', 'amount', 'fee msat', 'state', 'quote'],
    payments.map(({ quote, state, routeFeeMsat, reservedAtMs }) => [
      new Date(reservedAtMs).toISOString(),
      quote.agentId,
      satText(quote.amountMsat / 1_000n),
      routeFeeMsat?.toString() ?? '',
      state,
      quote.quoteId,
    ]),
  );
}
