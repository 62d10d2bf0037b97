/** Nothing that anybody sends is a fault of ours. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ROUTES } from '../operator/api/routes.ts';
import { errorEnvelope } from '../operator/protocol.ts';
import { apiDesk, TOKEN } from './api-desk.ts';
import { PAY_BODY, QUOTE_BODY } from './pool-api-double.ts';

const posts = ROUTES.filter(({ method }) => method === 'POST').map(({ path }) => `/v1${path}`);
const gets = ROUTES.filter(({ method }) => method === 'GET').map(({ path }) => `/v1${path}`);

/** Whole bodies, and good ones with one field changed to anything. */
const anyBody = fc.oneof(
  fc.json({ maxDepth: 6 }),
  fc.string(),
  fc
    .tuple(
      fc.constantFrom<object>(QUOTE_BODY, PAY_BODY),
      fc.oneof(fc.constantFrom(...Object.keys(QUOTE_BODY)), fc.string()),
      fc.jsonValue({ maxDepth: 4 }),
    )
    .map(([body, key, value]) => JSON.stringify({ ...body, [key]: value })),
);

function roomy() {
  const desk = apiDesk();
  const policy = desk.options.policy();
  const agentDefaults = { ...policy.agentDefaults, ratePerMinute: 1_000_000 };
  return apiDesk({ policy: () => ({ ...policy, agentDefaults }) });
}

test('no body is answered with 500, and every no is the envelope', async () => {
  const desk = roomy();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...posts, '/trpc/pay', '/trpc/nothing'),
      anyBody,
      async (path, body) => {
        const answer = await desk.post(path, body, {
          authorization: `Bearer ${TOKEN}`,
          'content-type': 'application/json',
        });
        const json: unknown = await answer.json();
        expect(answer.status).toBeLessThan(500);
        if (answer.status !== 200 && !path.startsWith('/trpc')) errorEnvelope.parse(json);
      },
    ),
    { numRuns: 500 },
  );
  expect(desk.faults).toEqual([]);
});

test('no path, query or header is answered with 500', async () => {
  const desk = roomy();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...gets),
      fc.webSegment(),
      fc.webQueryParameters(),
      fc.string({ unit: 'grapheme-ascii' }),
      async (path, segment, query, header) => {
        const target = `${path.replaceAll(/\{\w+\}/g, segment || 'x')}?${query}`;
        const asBearer = await desk.get(target);
        const asAnything = await desk.get(target, { authorization: `Nostr ${header}` });
        expect([asBearer.status, asAnything.status].every((status) => status < 500)).toBe(true);
      },
    ),
    { numRuns: 300 },
  );
  expect(desk.faults).toEqual([]);
});
