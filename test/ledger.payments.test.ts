/**
 * Payments, inside and outside, reserved and ended in any order, against a shopkeeper who only keeps a list of what
 * happened and reads everything off it.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Entry, linked } from '../operator/ledger/entry.ts';
import {
  available,
  checkEntry,
  emptyLedger,
  type Ledger,
  postEntry,
  postedOf,
} from '../operator/ledger/ledger.ts';
import { stateHash } from '../operator/ledger/ledger-state.ts';
import { lightningExchanged, railTotals } from '../operator/ledger/rail-rows.ts';
import {
  capitalBrought,
  payFailed,
  payReserved,
  paySettled,
  poolPayFailed,
  poolPayReserved,
  poolPaySettled,
  prepaidCredited,
  selfFailed,
  selfPaid,
  selfReserved,
  settledLate,
} from '../operator/ledger/rows.ts';
import { partitionValues, trialBalance } from '../operator/ledger/totals.ts';
import { msat } from '../policies/units.ts';

const CAPITAL = 3_000n;
const AGENTS = ['ana', 'ben'];

/** What happened, as a shopkeeper writes it down. `fee` is what the route took; null while nobody knows. */
interface Order {
  id: string;
  /** Null: the pool pays for itself. */
  payer: string | null;
  /** Over Lightning when null. */
  payee: string | null;
  amount: bigint;
  cap: bigint;
  service: bigint;
  end: { fee: bigint } | 'failed' | null;
}
interface Shop {
  received: { agent: string; amount: bigint }[];
  orders: Order[];
}

const total = (values: readonly bigint[]): bigint => values.reduce((sum, each) => sum + each, 0n);
const worst = ({ amount, cap, service }: Order): bigint => amount + cap + service;

/** What an order took from its payer: all of it while it is under way, at the end what it cost. */
function taken(order: Order): bigint {
  if (order.end === 'failed') return 0n;
  return order.end === null ? worst(order) : order.amount + order.end.fee + order.service;
}

function prepaidOf({ received, orders }: Shop, agent: string): bigint {
  const came = received.filter((each) => each.agent === agent).map(({ amount }) => amount);
  const inside = orders
    .filter(({ payee, end }) => payee === agent && end !== null && end !== 'failed')
    .map(({ amount }) => amount);
  return total([
    ...came,
    ...inside,
    ...orders.filter(({ payer }) => payer === agent).map((order) => -taken(order)),
  ]);
}

/** What left the node for good. */
function sent({ orders }: Shop): bigint {
  return total(
    orders.map(({ payee, end, amount }) =>
      payee !== null || end === null || end === 'failed' ? 0n : amount + end.fee,
    ),
  );
}

function earned({ orders }: Shop): bigint {
  return total(
    orders.map((order) => {
      if (order.end === null || order.end === 'failed') return 0n;
      return order.payer === null ? -order.amount - order.end.fee : order.service;
    }),
  );
}

/** What left or may leave over Lightning, of orders whose end nobody knows. */
function underWay(orders: readonly Order[]): bigint {
  return total(
    orders.map(({ payee, end, amount, cap }) =>
      end === null && payee === null ? amount + cap : 0n,
    ),
  );
}

/** What LLP can send now: its capital and profit, less what it pays itself and is under way. */
function sendable(shop: Shop): bigint {
  const own = shop.orders.filter(({ payer }) => payer === null);
  return CAPITAL + earned(shop) - underWay(own);
}

function agree(shop: Shop, ledger: Ledger): void {
  for (const agent of AGENTS) {
    expect(available(ledger, `SYS:liab:prepaid.${agent}`)).toBe(prepaidOf(shop, agent));
  }
  const came = total(shop.received.map(({ amount }) => amount));
  const rails = railTotals(ledger);
  expect(rails.lightningMsat).toBe(CAPITAL + came - sent(shop));
  expect(rails.inflightMsat).toBe(underWay(shop.orders));
  expect(available(ledger, 'LLP:asset:ln.local')).toBe(sendable(shop));
  const { SYS, LLP } = partitionValues(ledger);
  // Nothing of the agents' is ever the pool's, and the other way round.
  expect(SYS.assets).toBe(SYS.liabilities);
  expect(LLP.assets).toBe(CAPITAL + earned(shop));
  for (const book of trialBalance(ledger)) expect(book.drPosted).toBe(book.crPosted);
  // Only accounts with something in them: agents, rails, and orders under way.
  const holds = [...ledger.balances.keys()].filter((name) => name.includes('prepaid_hold'));
  const open = shop.orders.filter(({ end, payer }) => end === null && payer !== null);
  expect(holds.toSorted()).toStrictEqual(
    open
      .filter((order) => worst(order) > 0n)
      .map(({ id }) => `SYS:liab:prepaid_hold.${id}`)
      .toSorted(),
  );
}

const amountsOf = ({ id, payer, amount, cap, service }: Order) => ({
  agentId: payer ?? '',
  quoteId: id,
  amountMsat: msat(amount),
  maxFeeMsat: msat(cap),
  serviceFeeMsat: msat(service),
});
const selfOf = ({ id, payer, amount, service }: Order) => ({
  payerAgentId: payer ?? '',
  quoteId: id,
  amountMsat: msat(amount),
  serviceFeeMsat: msat(service),
});

function reserveOf(order: Order): Entry {
  if (order.payer === null) return poolPayReserved(amountsOf(order));
  return order.payee === null ? payReserved(amountsOf(order)) : selfReserved(selfOf(order));
}

function endOf(order: Order, fee: bigint | null): Entry {
  const { payer, payee } = order;
  if (payee !== null) {
    return fee === null
      ? selfFailed(selfOf(order))
      : selfPaid({ ...selfOf(order), payeeAgentId: payee });
  }
  const settled = { ...amountsOf(order), routeFeeMsat: msat(fee ?? 0n) };
  if (payer === null) return fee === null ? poolPayFailed(settled) : poolPaySettled(settled);
  return fee === null ? payFailed(settled) : paySettled(settled);
}

/** Takes the entry, or is refused, as foreseen. */
function takes(ledger: Ledger, entry: Entry, foreseen: boolean): boolean {
  expect(checkEntry(ledger, entry)?.code ?? 'taken').toBe(foreseen ? 'taken' : 'overdraft');
  if (foreseen) postEntry(ledger, entry);
  return foreseen;
}

type Command = fc.Command<Shop, { ledger: Ledger }>;

const topUp = fc
  .record({ agent: fc.constantFrom(...AGENTS), amount: fc.bigInt({ min: 1n, max: 2_000n }) })
  .map(
    (came): Command => ({
      check: () => true,
      run(shop, { ledger }) {
        postEntry(
          ledger,
          prepaidCredited({ agentId: came.agent, receivedMsat: msat(came.amount) }),
        );
        shop.received.push(came);
        agree(shop, ledger);
      },
      toString: () => `${came.agent} tops up ${came.amount}`,
    }),
  );

const order = fc
  .record({
    payer: fc.option(fc.constantFrom(...AGENTS)),
    inside: fc.boolean(),
    amount: fc.bigInt({ min: 1n, max: 1_500n }),
    cap: fc.bigInt({ min: 0n, max: 100n }),
    service: fc.bigInt({ min: 0n, max: 20n }),
  })
  .map(
    ({ payer, inside, amount, cap, service }): Command => ({
      check: () => true,
      run(shop, { ledger }) {
        const payee = inside && payer !== null ? (payer === 'ana' ? 'ben' : 'ana') : null;
        const made: Order = {
          id: `q${shop.orders.length}`,
          payer,
          payee,
          amount,
          cap: payee === null ? cap : 0n,
          service: payer === null ? 0n : service,
          end: null,
        };
        const covered = payer === null || prepaidOf(shop, payer) >= worst(made);
        const sends = payer !== null || sendable(shop) >= amount + cap;
        const entry = reserveOf(made);
        if (!takes(ledger, entry, covered && sends)) return;
        shop.orders.push(made);
        agree(shop, ledger);
      },
      toString: () => `${payer} pays ${amount} with ${cap} and ${service}, inside ${inside}`,
    }),
  );

const end = fc
  .record({
    which: fc.nat(50),
    feePercent: fc.option(fc.bigInt({ min: 0n, max: 100n }), { freq: 2 }),
  })
  .map(
    ({ which, feePercent }): Command => ({
      check: ({ orders }) => orders.some((each) => each.end === null),
      run(shop, { ledger }) {
        const open = shop.orders.filter((each) => each.end === null);
        const ended = open[which % open.length];
        if (ended === undefined) return;
        const fee = feePercent === null ? null : (ended.cap * feePercent) / 100n;
        postEntry(ledger, endOf(ended, fee));
        ended.end = fee === null ? 'failed' : { fee };
        agree(shop, ledger);
      },
      toString: () => `order ${which} ends with ${feePercent ?? 'failure'}`,
    }),
  );

test('every reserve is taken exactly when it is covered, every end can be booked, and all sums are the shopkeeper’s', () => {
  const shops: Shop[] = [];
  fc.assert(
    fc.property(
      fc.commands([topUp, order, order, end, end], { maxCommands: 40, size: 'max' }),
      (commands) => {
        fc.modelRun(() => {
          const ledger = emptyLedger();
          postEntry(ledger, capitalBrought({ rail: 'ln.local', amountMsat: msat(CAPITAL) }));
          const model: Shop = { received: [], orders: [] };
          shops.push(model);
          return { model, real: { ledger } };
        }, commands);
      },
    ),
    { numRuns: 150 },
  );
  const orders = shops.flatMap((shop) => shop.orders);
  const failed = orders.filter((each) => each.end === 'failed');
  const settled = orders.filter((each) => each.end !== null && each.end !== 'failed');
  expect(Math.min(failed.length, settled.length)).toBeGreaterThan(100);
});

function withPrepaid(): Ledger {
  const ledger = emptyLedger();
  postEntry(ledger, capitalBrought({ rail: 'ln.local', amountMsat: msat(5_000n) }));
  postEntry(ledger, prepaidCredited({ agentId: 'ana', receivedMsat: msat(1_000n) }));
  return ledger;
}

describe('a payment under way', () => {
  const pay = {
    agentId: 'ana',
    quoteId: 'q1',
    amountMsat: msat(900n),
    maxFeeMsat: msat(90n),
    serviceFeeMsat: msat(10n),
  };

  test('is settled once: a second end of either kind is refused', () => {
    const ledger = withPrepaid();
    postEntry(ledger, payReserved(pay));
    postEntry(ledger, paySettled({ ...pay, routeFeeMsat: msat(4n) }));
    const before = stateHash(ledger);
    for (const again of [paySettled({ ...pay, routeFeeMsat: msat(4n) }), payFailed(pay)]) {
      expect(checkEntry(ledger, again)?.code).toBe('overdraft');
    }
    expect(stateHash(ledger)).toBe(before);
  });

  test('that never was reserved has no end', () => {
    expect(checkEntry(withPrepaid(), payFailed(pay))?.code).toBe('overdraft');
  });

  test('that cost its route more than the cap is not booked at the payer’s cost', () => {
    const ledger = withPrepaid();
    postEntry(ledger, payReserved(pay));
    expect(checkEntry(ledger, paySettled({ ...pay, routeFeeMsat: msat(91n) }))?.code).toBe(
      'unbalanced',
    );
  });

  test('needs nothing of the pool’s: a pool that spent its capital pays what agents have', () => {
    const ledger = emptyLedger();
    postEntry(ledger, prepaidCredited({ agentId: 'ana', receivedMsat: msat(1_000n) }));
    postEntry(ledger, payReserved(pay));
    postEntry(ledger, paySettled({ ...pay, routeFeeMsat: msat(90n) }));
    expect(available(ledger, 'SYS:asset:ln.local')).toBe(0n);
    expect(available(ledger, 'LLP:asset:ln.local')).toBe(10n);
  });

  test('keeps its money when agents’ money leaves Lightning: what is set aside cannot be moved', () => {
    const ledger = withPrepaid();
    postEntry(ledger, payReserved(pay));
    const leaves: Entry = {
      postings: [
        { account: 'SYS:asset:ln.pending_close', side: 'dr', amount: 1n },
        { account: 'SYS:asset:ln.local', side: 'cr', amount: 1n },
      ],
    };
    expect(checkEntry(ledger, leaves)).toMatchObject({
      code: 'overdraft',
      account: 'SYS:asset:ln.local',
      shortBy: 1n,
    });
    postEntry(ledger, paySettled({ ...pay, routeFeeMsat: msat(90n) }));
  });

  test('of an agent whose money went to the treasury with a closed channel is exchanged for it, at par', () => {
    const ledger = withPrepaid();
    postEntry(ledger, {
      postings: [
        { account: 'SYS:asset:cold', side: 'dr', amount: 1_000n },
        { account: 'SYS:asset:ln.local', side: 'cr', amount: 1_000n },
      ],
    });
    expect(checkEntry(ledger, payReserved(pay))?.account).toBe('SYS:asset:ln.local');
    const rails = railTotals(ledger);
    const values = partitionValues(ledger);
    const exchange = lightningExchanged(ledger, 1_000n);
    postEntry(ledger, linked(exchange, payReserved(pay)));
    postEntry(ledger, paySettled({ ...pay, routeFeeMsat: msat(0n) }));
    expect(railTotals(ledger).coldMsat).toBe(rails.coldMsat);
    expect(postedOf(ledger, 'LLP:asset:cold')).toBe(1_000n);
    expect(partitionValues(ledger).LLP.assets).toBe(values.LLP.assets + 10n);
    expect(lightningExchanged(ledger, 0n).postings).toStrictEqual([]);
  });
});

describe('settled after it was booked as failed', () => {
  test.each<[string, bigint, bigint, bigint]>([
    ['is charged to the agent, while its money is there', 1_000n, 97n, 0n],
    ['is charged as far as it is there, and LLP bears the rest', 300n, 0n, 603n],
    ['is LLP’s loss when the agent has nothing', 0n, 0n, 903n],
  ])('%s', (_, left, agentKeeps, lost) => {
    const ledger = emptyLedger();
    postEntry(ledger, capitalBrought({ rail: 'ln.local', amountMsat: msat(5_000n) }));
    if (left > 0n) postEntry(ledger, prepaidCredited({ agentId: 'ana', receivedMsat: msat(left) }));
    const node = railTotals(ledger).lightningMsat;
    const late = settledLate({
      agentId: 'ana',
      availableMsat: msat(left),
      amountMsat: msat(900n),
      routeFeeMsat: msat(3n),
    });
    postEntry(ledger, late);
    expect(available(ledger, 'SYS:liab:prepaid.ana')).toBe(agentKeeps);
    expect(postedOf(ledger, 'LLP:exp:recon')).toBe(lost);
    expect(railTotals(ledger).lightningMsat).toBe(node - 903n);
  });

  test('waits, refused, while other payments hold all that LLP has', () => {
    const ledger = emptyLedger();
    postEntry(ledger, capitalBrought({ rail: 'ln.local', amountMsat: msat(1_000n) }));
    const pool = { amountMsat: msat(950n), maxFeeMsat: msat(0n) };
    postEntry(ledger, poolPayReserved(pool));
    const late = settledLate({
      agentId: 'ana',
      availableMsat: msat(0n),
      amountMsat: msat(900n),
      routeFeeMsat: msat(0n),
    });
    expect(checkEntry(ledger, late)).toMatchObject({ code: 'overdraft', shortBy: 850n });
    postEntry(ledger, poolPayFailed(pool));
    expect(checkEntry(ledger, late)).toBeNull();
  });
});
