/** The interface as a page for people: static text, nothing is fetched and nothing runs. Pure. */
import { z } from 'zod';
import { event, webhookBody } from '../protocol.ts';
import { REFUSALS } from '../reasons.ts';
import { receiptExtensionsShape, receiptShape } from '../receipts/receipt-shape.ts';
import { PREFIXES, ROUTES, type Route } from './routes.ts';

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}code{font:.9em ui-monospace,monospace}table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ddd}h2{margin-top:2.5rem}@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}td,th{border-color:#333}a{color:#8bf}}';

export function docsPage(publicUrl: string): string {
  const example = `curl -H 'Authorization: Bearer wt_…' ${publicUrl}${PREFIXES[0]}/prepaid`;
  return [
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Weir liquidity pool</title>',
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    `<style>${STYLE}</style>`,
    '<h1>Weir liquidity pool</h1>',
    '<p>Pays Lightning invoices for agents, each at most once, with receipts. Amounts are integers in millisatoshi (1 sat = 1,000).</p>',
    `<p>Every route stands under ${PREFIXES.map((prefix) => code(publicUrl + prefix)).join(' and ')}. <a href="/openapi.json">OpenAPI document</a>. tRPC: ${code(`${publicUrl}/trpc`)}.</p>`,
    `<pre><code>${escaped(example)}</code></pre>`,
    '<h2>To pay</h2><ol><li>Quote the invoice under a key of your own. Keep the <code>quote_id</code>.</li>',
    '<li>Pay the quote. When the answer is <code>payment_in_flight</code>, a time-out or no answer at all, the outcome is not known: send the identical request again.</li>',
    '<li>It ends with the receipt of the one payment, however often you ask. Never quote the same invoice again in between.</li></ol>',
    '<h2>Routes</h2>',
    ...ROUTES.map(routeSection),
    '<h2>Events and webhooks</h2><p>A webhook is a POST of the operator’s choice, by the headers of Standard Webhooks; it only hints, the feed is the truth.</p>',
    fieldTable('Event', event, 'POST'),
    fieldTable('Webhook', webhookBody, 'POST'),
    '<h2>Receipts</h2>',
    `<p>${escaped(receiptShape.description ?? '')}</p>`,
    fieldTable('Receipt', receiptShape, 'POST'),
    fieldTable('extensions', receiptExtensionsShape, 'POST'),
    '<h2>Refusals</h2><p>Always <code>{"error":{"code","message","reason_code",…}}</code>. Act on <code>reason_code</code>; wait <code>retry_after_ms</code> where it is given.</p>',
    table(
      ['reason_code', 'HTTP', 'code', 'retry', 'meaning'],
      Object.entries(REFUSALS).map(([reason, { status, code: name, retry, says }]) => [
        code(reason),
        status.toString(),
        code(name),
        retry,
        escaped(says),
      ]),
    ),
    '</html>',
  ].join('\n');
}

function routeSection(route: Route): string {
  const facts = [
    route.auth === 'required' ? `action ${code(route.action ?? '')}` : `credential: ${route.auth}`,
    ...(route.idempotency === null ? [] : [`repeated by its ${code(route.idempotency)}`]),
  ];
  return [
    `<h3>${code(`${route.method} ${route.path}`)}</h3>`,
    `<p>${escaped(route.summary)}</p><p>${facts.join(', ')}</p>`,
    route.input === null ? '' : fieldTable('Request', route.input, route.method),
    fieldTable('Answer', route.output, 'POST'),
  ].join('\n');
}

/** Bodies as they are written; queries as they are read, because they are text whatever they mean. */
function fieldTable(title: string, schema: z.ZodType, method: Route['method']): string {
  const io = method === 'GET' ? 'output' : 'input';
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io });
  const rows = Object.entries(properties).map(([name, each]) => {
    const property = typeof each === 'object' ? each : {};
    const needed = required.includes(name) && property.default === undefined;
    return [code(name) + (needed ? '' : ' (may be absent)'), escaped(describedType(property))];
  });
  return rows.length === 0 ? '' : table([title, ''], rows);
}

function describedType(property: z.core.JSONSchema.JSONSchema): string {
  const [either] = property.anyOf ?? [];
  const type = property.const ?? property.type ?? (typeof either === 'object' ? either.type : '');
  return `${String(type)}${property.description === undefined ? '' : `: ${property.description}`}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const body = rows.map((row) => tableRow(row, 'td')).join('');
  return `<table>${tableRow(head, 'th')}${body}</table>`;
}

function tableRow(cells: readonly string[], tag: 'td' | 'th'): string {
  return `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`;
}

function code(text: string): string {
  return `<code>${escaped(text)}</code>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
