/**
 * The OpenAPI 3.1 document, made of the route table and the schemas themselves, so that it cannot say anything
 * else than they do. Pure: the same base address gives the same document.
 */
import { z } from 'zod';
import {
  AGENT_HEADER,
  errorEnvelope,
  event,
  eventPage,
  jsonObject,
  logPage,
  paymentList,
  paymentProof,
  paymentView,
  payRequest,
  payResponse,
  prepaidView,
  quotePayRequest,
  quotePayResponse,
  statusResponse,
  topupRequest,
  topupView,
  webhookBody,
  withdrawRequest,
} from '../protocol.ts';
import { REFUSALS, type RefusalReason, refuse } from '../reasons.ts';
import { checkpointSchema } from '../receipts/checkpoint.ts';
import { logRecordSchema } from '../receipts/log-record.ts';
import { receiptProofSchema } from '../receipts/proof.ts';
import {
  receiptDocumentShape,
  receiptExtensionsShape,
  receiptShape,
} from '../receipts/receipt-shape.ts';
import { webhooksOf } from './openapi-webhooks.ts';
import { envelopeOf } from './refusal-error.ts';
import { PREFIXES, ROUTES, type Route } from './routes.ts';

/** Version of the interface; a field that changes its meaning is a new schema string instead. */
const API_VERSION = '1.0.0';

/** What a schema of its own needs and a component does not. */
const OWN_KEYS = new Set(['$schema', '$id', 'id']);

type Json = Record<string, unknown>;

const SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  QuotePayRequest: quotePayRequest,
  QuotePayResponse: quotePayResponse,
  PayRequest: payRequest,
  PayResponse: payResponse,
  PaymentProof: paymentProof,
  StatusResponse: statusResponse,
  PaymentView: paymentView,
  PaymentList: paymentList,
  PrepaidView: prepaidView,
  TopupRequest: topupRequest,
  TopupView: topupView,
  WithdrawRequest: withdrawRequest,
  Event: event,
  EventPage: eventPage,
  WebhookBody: webhookBody,
  LogPage: logPage,
  LogRecord: logRecordSchema,
  Checkpoint: checkpointSchema,
  Receipt: receiptShape,
  ReceiptExtensions: receiptExtensionsShape,
  ReceiptProof: receiptProofSchema,
  ReceiptDocument: receiptDocumentShape,
  JsonObject: jsonObject,
  ErrorEnvelope: errorEnvelope,
};

/** @param publicUrl Base address as callers write it, without a slash at the end. */
export function openApiDocument(publicUrl: string): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Weir liquidity pool',
      version: API_VERSION,
      description:
        'Pays Lightning invoices for agents, each at most once, with receipts. Amounts are integers in millisatoshi. A 409 payment_in_flight and a time-out mean that the outcome is not known yet: repeat the identical request.',
    },
    servers: PREFIXES.map((prefix) => ({ url: `${publicUrl}${prefix}` })),
    paths: pathsOf(),
    webhooks: webhooksOf(),
    components: {
      schemas: schemasOf(),
      responses: Object.fromEntries(
        statuses().map((status) => [`Error${status}`, errorResponse(status)]),
      ),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A token wt_… of the operator' },
        nostr: {
          type: 'http',
          scheme: 'nostr',
          description:
            'NIP-98, kind 27235: u is the whole address as called, payload the SHA-256 of the body; each event once, within a minute',
        },
      },
    },
  };
}

function schemasOf(): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(SCHEMAS)) registry.add(schema, { id });
  const made = z.toJSONSchema(registry, { io: 'input', uri: (id) => `#/components/schemas/${id}` });
  return Object.fromEntries(
    Object.entries(made.schemas).map(([id, schema]) => [
      id,
      Object.fromEntries(Object.entries(schema).filter(([key]) => !OWN_KEYS.has(key))),
    ]),
  );
}

function pathsOf(): Json {
  const paths: Record<string, Json> = {};
  for (const route of ROUTES) {
    const path = (paths[route.path] ??= {});
    path[route.method.toLowerCase()] = operationOf(route);
  }
  return paths;
}

function operationOf(route: Route): Json {
  const { procedure, summary, action, idempotency, input, output } = route;
  const isPost = route.method === 'POST';
  const parameters = [
    ...(isPost || input === null ? [] : parametersOf(input, route.path)),
    ...(route.auth === 'none' ? [] : [AGENT_PARAMETER]),
  ];
  return {
    operationId: procedure,
    summary,
    ...(action === null ? {} : { 'x-action': action }),
    ...(idempotency === null ? {} : { 'x-idempotency': idempotency }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(isPost && input !== null ? { requestBody: bodyOf(input) } : {}),
    responses: {
      '200': { description: 'Done', ...contentOf(output) },
      ...Object.fromEntries(
        statusesOf(route).map((status) => [
          status,
          { $ref: `#/components/responses/Error${status}` },
        ]),
      ),
    },
    ...securityOf(route),
  };
}

const AGENT_PARAMETER = {
  name: AGENT_HEADER,
  in: 'header',
  required: false,
  description: 'The agent meant, where the credential acts for many; its first one when absent',
  schema: { type: 'string' },
};

function securityOf({ auth }: Route): Json {
  const either = [{ bearer: [] }, { nostr: [] }];
  if (auth === 'required') return { security: either };
  return auth === 'optional' ? { security: [{}, ...either] } : {};
}

function parametersOf(input: z.ZodObject, path: string): Json[] {
  // As read, not as written: a query is text, whatever it means.
  const { properties = {} } = z.toJSONSchema(input, { io: 'output' });
  return Object.entries(properties).map(([name, schema]) => {
    const inPath = path.includes(`{${name}}`);
    return { name, in: inPath ? 'path' : 'query', required: inPath, schema };
  });
}

function bodyOf(schema: z.ZodType): Json {
  return { required: true, ...contentOf(schema) };
}

function contentOf(schema: z.ZodType): Json {
  const id = Object.entries(SCHEMAS).find(([, each]) => each === schema)?.[0];
  return { content: { 'application/json': { schema: { $ref: `#/components/schemas/${id}` } } } };
}

function reasonsOf(status: string): RefusalReason[] {
  const reasons = Object.keys(REFUSALS) as RefusalReason[];
  return reasons.filter((reason) => REFUSALS[reason].status.toString() === status);
}

/** A read conflicts with nothing; without a credential nobody is forbidden anything. */
function statusesOf({ method, auth }: Route): string[] {
  const never = new Set([
    '405',
    ...(method === 'GET' ? ['409', '413'] : []),
    ...(auth === 'none' ? ['401', '403'] : []),
  ]);
  return statuses().filter((status) => !never.has(status));
}

function statuses(): string[] {
  const all = Object.values(REFUSALS).map(({ status }) => status.toString());
  return [...new Set(all)].toSorted();
}

/** One example for each reason of the status, as it goes over the wire. */
function errorResponse(status: string): Json {
  const reasons = reasonsOf(status);
  return {
    description: reasons.map((reason) => `${reason}: ${REFUSALS[reason].says}`).join('. '),
    content: {
      'application/json': {
        schema: { $ref: '#/components/schemas/ErrorEnvelope' },
        examples: Object.fromEntries(
          reasons.map((reason) => [
            reason,
            { value: envelopeOf(refuse(reason, REFUSALS[reason].says)) },
          ]),
        ),
      },
    },
  };
}
