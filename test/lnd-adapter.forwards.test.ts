/** What a scripted LND forwarded, asked for by places in its list: to the msat, page by page, or not at all. */
import { describe, expect, test } from 'vitest';
import { openReader } from '../operator/adapters/lnd/reader.ts';
import { lintRequest } from '../operator/adapters/lnd/request-lint.ts';
import { FORWARDS_PAGE, type Forward } from '../operator/lightning.ts';
import { CREATED_MS } from './lnd-messages.ts';
import { scriptedHands } from './scripted-hands.ts';
import { METHOD } from './scripted-lnd.ts';

const hands = scriptedHands();
const NS_PER_MS = 1_000_000n;
const UNKNOWN = 2;

/** An event as LND sends it; its fields in sat round what is below one away. */
function event(at: { ns: bigint; inMsat?: bigint; feeMsat?: bigint; [field: string]: unknown }) {
  const { ns, inMsat = 50_001_500n, feeMsat = 1_500n, ...more } = at;
  return {
    timestamp: (ns / 1_000_000_000n).toString(),
    timestamp_ns: ns.toString(),
    chan_id_in: '769658139443265536',
    chan_id_out: '769658139443331072',
    amt_in: (inMsat / 1_000n).toString(),
    amt_out: ((inMsat - feeMsat) / 1_000n).toString(),
    fee: (feeMsat / 1_000n).toString(),
    fee_msat: feeMsat.toString(),
    amt_in_msat: inMsat.toString(),
    amt_out_msat: (inMsat - feeMsat).toString(),
    ...more,
  };
}

/** LND's own query (channeldb/forwarding_log.go): from the time on, less the offset, as many as asked. */
function lists(events: readonly ReturnType<typeof event>[]): void {
  hands.lnd().on(METHOD.forwards, (call) => {
    const { message } = call;
    const start = BigInt(String(message['start_time'])) * 1_000_000_000n;
    const end = BigInt(String(message['end_time'])) * 1_000_000_000n;
    const [offset, most] = [Number(message['index_offset']), Number(message['num_max_events'])];
    const within = events.filter((each) => {
      const ns = BigInt(each.timestamp_ns);
      return ns >= start && ns <= end;
    });
    const found = within.slice(offset, offset + most);
    call.send({ forwarding_events: found, last_offset_index: offset + found.length });
  });
}

function asked(skip = 0, sinceMs = CREATED_MS): Promise<readonly Forward[]> {
  return openReader(hands.connection()).forwards({ sinceMs, skip });
}

describe('forwards', () => {
  test('come with fees to the msat, one of 0 and one below a satoshi among them', async () => {
    const ns = BigInt(CREATED_MS) * NS_PER_MS;
    lists([
      event({ ns, feeMsat: 0n }),
      event({ ns: ns + 1n, feeMsat: 7n }),
      event({ ns: ns + 1_999_999n, feeMsat: 1_234_567n }),
    ]);
    const found = await asked();
    expect(found.map(({ atMs, feeMsat }) => [atMs - CREATED_MS, feeMsat])).toEqual([
      [0, 0n],
      [0, 7n],
      [1, 1_234_567n],
    ]);
  });

  test('of one moment are told apart, and none is skipped or told twice from page to page', async () => {
    const ns = BigInt(CREATED_MS) * NS_PER_MS;
    const events = Array.from({ length: 2 * FORWARDS_PAGE + 1 }, (_, at) =>
      event({ ns, inMsat: 1_000_000n + BigInt(at), feeMsat: BigInt(at) }),
    );
    lists(events);
    const found: Forward[] = [];
    for (;;) {
      const page = await asked(found.length);
      found.push(...page);
      if (page.length < FORWARDS_PAGE) break;
    }
    expect(found.map(({ feeMsat }) => feeMsat)).toEqual(events.map((_, at) => BigInt(at)));
    expect(new Set(found.map(({ id }) => id)).size).toBe(events.length);
    expect((await asked(events.length - 1)).map(({ id }) => id)).toEqual([found.at(-1)?.id]);
  });

  test('of which the second is asked for in which the pool was opened, and no other second', async () => {
    const second = BigInt(CREATED_MS) * NS_PER_MS;
    lists([
      event({ ns: second - 1n, feeMsat: 1n }),
      event({ ns: second, feeMsat: 2n }),
      event({ ns: second + 999_999_999n, feeMsat: 3n }),
    ]);
    const found = await asked(0, CREATED_MS + 999);
    expect(found.map(({ feeMsat }) => feeMsat)).toEqual([2n, 3n]);
  });

  test('that the node’s clock calls future ones are in the list all the same', async () => {
    lists([event({ ns: BigInt(Date.now() + 3_600_000) * NS_PER_MS })]);
    expect(await asked()).toHaveLength(1);
  });

  test('are none where the node has none', async () => {
    lists([]);
    expect(await asked()).toEqual([]);
  });

  test.each<[what: string, answer: object]>([
    ['a fee that is not what came in less what went out', { fee_msat: '1499' }],
    ['a fee below zero, as 64 bits have it', { fee_msat: '18446744073709551615' }],
    ['an amount that is more than there is', { amt_in_msat: '1000000000000000000' }],
  ])('with %s are not believed', async (_, wrong) => {
    hands.lnd().on(METHOD.forwards, (call) =>
      call.send({
        forwarding_events: [{ ...event({ ns: BigInt(CREATED_MS) * NS_PER_MS }), ...wrong }],
        last_offset_index: 1,
      }),
    );
    await expect(asked()).rejects.toMatchObject({ code: 'LND_UNREACHABLE', retry: 'later' });
  });

  test('from another place than the one asked for are not believed', async () => {
    hands
      .lnd()
      .on(METHOD.forwards, (call) => call.send({ forwarding_events: [], last_offset_index: 0 }));
    await expect(asked(5)).rejects.toMatchObject({ code: 'LND_UNREACHABLE' });
  });

  test('that the node refuses to list are asked for again, as a macaroon or a start may be why', async () => {
    hands.lnd().on(METHOD.forwards, (call) => call.fail(UNKNOWN, 'permission denied'));
    await expect(asked()).rejects.toMatchObject({ code: 'LND_UNREACHABLE', retry: 'later' });
  });
});

test.each<[what: string, message: object, problems: readonly string[]]>([
  ['a page up to the end of time', { num_max_events: FORWARDS_PAGE, end_time: '9000000000' }, []],
  [
    'all there is',
    { num_max_events: FORWARDS_PAGE + 1, end_time: '9000000000' },
    ['does not bound its answer'],
  ],
  ['LND’s hundred', { end_time: '9000000000' }, ['does not bound its answer']],
  [
    'what the node’s clock has reached',
    { num_max_events: 1, end_time: '0' },
    ['ends at the clock of the node'],
  ],
])('a question for %s has these problems', (_, message, problems) => {
  expect(lintRequest(METHOD.forwards, message as Record<string, unknown>)).toEqual(problems);
});
