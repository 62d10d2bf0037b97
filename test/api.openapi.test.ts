/** The OpenAPI document: what it says, that it holds together, and that its examples are what is served. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { openApiDocument } from '../operator/api/openapi.ts';
import { ROUTES } from '../operator/api/routes.ts';
import { errorEnvelope } from '../operator/protocol.ts';
import { REFUSALS } from '../operator/reasons.ts';
import { apiDesk } from './api-desk.ts';
import { PUBLIC_URL } from './pool-api-double.ts';

type Json = { [key: string]: Json } & Json[];

const document = JSON.parse(JSON.stringify(openApiDocument(PUBLIC_URL))) as Json;

function at(pointer: string): unknown {
  return pointer
    .slice(2)
    .split('/')
    .reduce<unknown>((value, key) => (value as Json | undefined)?.[key], document);
}

function refsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    key === '$ref' ? [String(member)] : refsIn(member),
  );
}

const operations = Object.entries(document['paths'] ?? {}).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

test('the document changes only on purpose', async () => {
  await expect(`${JSON.stringify(document, null, 1)}\n`).toMatchFileSnapshot(
    'vectors/openapi.json',
  );
});

test('every reference leads somewhere', () => {
  const refs = refsIn(document);
  expect(refs.length).toBeGreaterThan(50);
  expect(refs.filter((ref) => at(ref) === undefined)).toEqual([]);
});

test('every route is one operation with a name of its own, every path parameter declared', () => {
  expect(document['openapi']).toBe('3.1.0');
  expect(operations.length).toBe(ROUTES.length);
  expect(new Set(operations.map(({ operation }) => operation['operationId'])).size).toBe(
    ROUTES.length,
  );
  for (const { path, operation } of operations) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = (operation['parameters'] ?? []) as { name: string; in: string }[];
    expect(
      declared.filter((each) => each.in === 'path').map(({ name }) => name),
      path,
    ).toEqual(inPath);
  }
});

test('every component is a schema that zod reads back', () => {
  const schemas = Object.entries((document['components'] as Json)['schemas'] ?? {});
  expect(schemas.length).toBe(24);
  for (const [name] of schemas) {
    const text = JSON.stringify({
      $ref: `#/$defs/${name}`,
      $defs: (document['components'] as Json)['schemas'],
    }).replaceAll('#/components/schemas/', '#/$defs/');
    expect(() => z.fromJSONSchema(JSON.parse(text) as never), name).not.toThrow();
  }
});

test('money is an integer everywhere', () => {
  const text = JSON.stringify(document['components']);
  expect(text).not.toContain('"format":"int64"');
  expect(text).not.toContain('"type":"number"');
  const amounts = [...text.matchAll(/"\w+_msats":\{[^}]*\}/g)].map(([field]) => field);
  expect(amounts.length).toBeGreaterThan(15);
  expect(amounts.filter((field) => !field.includes('"type":"integer"'))).toEqual([]);
});

test('every reason has one example, in the form that is served', () => {
  const responses = Object.values((document['components'] as Json)['responses'] ?? {});
  const examples = responses.flatMap((response) =>
    Object.entries(
      (
        response as never as {
          content: Record<string, { examples: Record<string, { value: unknown }> }>;
        }
      ).content['application/json']?.examples ?? {},
    ),
  );
  expect(examples.map(([name]) => name).toSorted()).toEqual(Object.keys(REFUSALS).toSorted());
  for (const [name, { value }] of examples) {
    const read = errorEnvelope.parse(value);
    expect(read.error.reason_code).toBe(name);
    expect(value).toEqual(read);
  }
});

test('the document and its page are served, and the page fetches and runs nothing', async () => {
  const desk = apiDesk();
  expect(await (await desk.get('/openapi.json', {})).json()).toEqual(document);
  const page = await desk.get('/docs', {});
  const html = await page.text();
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(html).not.toMatch(/<script|src=|@import|url\(/);
  for (const { path } of ROUTES) expect(html).toContain(path);
  for (const reason of Object.keys(REFUSALS)) expect(html).toContain(reason);
});
