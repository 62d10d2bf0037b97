/** PUBLISHED, by `protocol.ts`: the events of the feed and of webhooks. Schemas and types, no behaviour. */
import { z } from 'zod';
import { hex32 } from '../policies/intent.ts';
import { unixMs } from './scalar-schemas.ts';

/** What an agent reads of its own payments, top-ups and refusals. */
export const EVENT_KINDS = [
  'quoted',
  'pay-reserved',
  'pay-settled',
  'pay-failed',
  'pay-settled-late',
  'topup-opened',
  'topup-invoiced',
  'topup-credited',
  'topup-closed',
  'refused',
] as const;
/** What ends a payment or a top-up: webhooks are sent for these. */
export const WEBHOOK_KINDS = [
  'pay-settled',
  'pay-failed',
  'pay-settled-late',
  'topup-credited',
  'topup-closed',
] as const satisfies readonly (typeof EVENT_KINDS)[number][];

export const event = z.object({
  seq: z.int().min(1),
  at_ms: unixMs,
  kind: z
    .string()
    .describe(
      `${EVENT_KINDS.join(', ')}; others may come. pay-settled-late: the node had said failed, and it settled after all. Operators read the pool's own as well, such as alarm and mode-changed`,
    ),
  payment_hash: hex32.optional(),
  quote_id: z.string().optional(),
  receipt_id: z.string().optional(),
  topup_id: z.string().optional(),
  code: z.string().optional().describe('Which alarm; of an alarm, for operators only'),
  detail: z.string().optional().describe('What it is about; of an alarm, for operators only'),
  mode: z
    .enum(['open', 'frozen', 'winding-down'])
    .optional()
    .describe('Mode from then on; of a mode-changed, for operators only'),
  why: z.string().optional().describe('Why it changed; of a mode-changed, for operators only'),
});
export type Event = z.infer<typeof event>;

export const eventPage = z.object({
  schema: z.literal('weir.event_page.v1'),
  events: z.array(event),
  next_after: z.int().min(0).describe('Ask for what comes after this'),
});
export type EventPage = z.infer<typeof eventPage>;

/** Body of a webhook: a hint. What is true is read from the feed, by `data.seq`. */
export const webhookBody = z.object({
  type: z.enum(WEBHOOK_KINDS).describe('The kind of the event'),
  timestamp: z.iso.datetime().describe('When it happened'),
  data: event,
});
