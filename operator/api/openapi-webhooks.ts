/** The webhooks of the OpenAPI document: what the pool sends, and how it takes an answer. Pure. */
import { WEBHOOK_KINDS } from '../protocol.ts';

/** Headers of Standard Webhooks. */
const HEADERS: readonly [name: string, says: string][] = [
  ['webhook-id', 'evt_ and the seq of the event: the same at each try'],
  ['webhook-timestamp', 'Unix seconds of this try'],
  [
    'webhook-signature',
    'v1, and base64 of the HMAC-SHA256 over id.timestamp.body under the secret',
  ],
];

const OPERATION = {
  summary:
    'A hint that a payment or a top-up ended; the feed of events is the truth. Webhooks are the operator’s and hear of every agent.',
  parameters: HEADERS.map(([name, description]) => ({
    name,
    in: 'header',
    required: true,
    description,
    schema: { type: 'string' },
  })),
  requestBody: {
    required: true,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/WebhookBody' } } },
  },
  responses: {
    '2XX': { description: 'Taken' },
    '410': { description: 'Nothing more is sent to this address' },
    default: { description: 'Tried again some times, then left to the feed' },
  },
};

export function webhooksOf(): Record<string, unknown> {
  return Object.fromEntries(WEBHOOK_KINDS.map((kind) => [kind, { post: OPERATION }]));
}
