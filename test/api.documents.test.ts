/** What the OpenAPI document says of events, webhooks, failures and receipts is what the pool makes. */
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { openApiDocument } from '../operator/api/openapi.ts';
import { PAY_FAILURES } from '../operator/lightning.ts';
import { poolEvent } from '../operator/pool-event.ts';
import { EVENT_KINDS, WEBHOOK_KINDS } from '../operator/protocol.ts';
import { checkpointSchema } from '../operator/receipts/checkpoint.ts';
import { RECEIPT_SCHEMAS } from '../operator/receipts/receipt-schemas.ts';
import {
  receiptDocumentShape,
  receiptExtensionsShape,
  receiptShape,
} from '../operator/receipts/receipt-shape.ts';
import { outsideInvoice } from './fake-node.ts';
import { PUBLIC_URL } from './pool-api-double.ts';
import { body, poolDesk } from './pool-desk.ts';
import { agent } from './pool-scenario.ts';

const desk = poolDesk();
const ana = agent('ana');

interface Described {
  properties: Record<string, { description?: string }>;
}
const document = openApiDocument(PUBLIC_URL) as {
  webhooks: object;
  components: { schemas: Record<string, Described> };
};

function said(schema: string, member: string): string {
  return document.components.schemas[schema]?.properties[member]?.description ?? '';
}

test('every event that an agent may read is named, and no other', () => {
  const owned = poolEvent.options
    .filter(({ shape }) => ['agentId', 'quoteId', 'topupId', 'quote'].some((key) => key in shape))
    .map(({ shape }) => shape.kind.value as string);
  expect(owned.toSorted()).toEqual(EVENT_KINDS.toSorted());
  for (const kind of EVENT_KINDS) expect(said('Event', 'kind')).toContain(kind);
});

test('every webhook that is sent is one of the document', () => {
  expect(Object.keys(document.webhooks)).toEqual([...WEBHOOK_KINDS]);
});

test('every way in which a payment fails is named', () => {
  for (const why of PAY_FAILURES) expect(said('PayResponse', 'error_code')).toContain(why);
});

type Document = z.infer<typeof receiptDocumentShape>;

/** A receipt with its proof, as `caller` sees it. */
async function documentOf(receiptId: string, caller: typeof ana | null): Promise<Document> {
  const shown = JSON.stringify(body(await desk.pool.api.receipt(caller, receiptId)));
  return receiptDocumentShape.parse(JSON.parse(shown));
}

async function paidReceipt(): Promise<string> {
  await desk.credit(ana, 50_000_000n);
  const quote = await desk.quoted(ana, outsideInvoice('one', 1_000_000n));
  const { receipt } = await desk.paid(ana, quote.quote_id);
  return String(receipt['receipt_id']);
}

async function refusedReceipt(): Promise<string> {
  const asked = desk.quoteBody(outsideInvoice('poor', 1_000_000n));
  const reply = await desk.pool.api.quotePay(ana, asked);
  return reply.is === 'refused' ? String(reply.refusal.receiptId) : '';
}

async function topupReceipt(): Promise<string> {
  await desk.credit(ana, 50_000_000n);
  const { topups } = body(await desk.pool.api.prepaid(ana));
  return String(topups[0]?.receipt?.['receipt_id']);
}

describe('a receipt has the members that the document names, and no others:', () => {
  const KNOWN = new Set(Object.keys(receiptExtensionsShape.shape));

  test.each([
    ['of a payment', paidReceipt],
    ['of a refusal', refusedReceipt],
    ['of a top-up', topupReceipt],
  ])('%s', async (_what, made) => {
    const receiptId = await made();
    for (const caller of [ana, null]) {
      const { receipt } = await documentOf(receiptId, caller);
      const { schema, extensions } = receipt;
      expect(Object.keys(extensions).filter((name) => !KNOWN.has(name))).toEqual([]);
      const { required = [], optional = [] } = RECEIPT_SCHEMAS[schema] ?? {};
      const named = new Set([...required, ...optional, ...Object.keys(receiptShape.shape)]);
      expect(Object.keys(receipt).filter((name) => !named.has(name))).toEqual([]);
      for (const field of required) expect(receiptShape.description).toContain(field);
    }
  });

  test('and a payment has all of its extensions but the one that it was given no value for', async () => {
    const { receipt } = await documentOf(await paidReceipt(), ana);
    const absent = [...KNOWN].filter((name) => !(name in receipt.extensions));
    expect(absent).toEqual(['policy_id']);
  });
});

test('the checkpoint of the log is of the shape that the document names', async () => {
  const checkpoint = body(await desk.pool.api.checkpoint());
  expect(checkpointSchema.safeParse(checkpoint).error).toBeUndefined();
});
