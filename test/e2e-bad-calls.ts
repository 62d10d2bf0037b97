/** Bad calls as they come over the wire: what is sent to the coordinator's port, and what it has to answer. */
import { randomBytes } from 'node:crypto';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { BODY_BYTES_MAX, REQUEST_HEADER } from '../coordinator/protocol.ts';
import type { World } from '../demo/world.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import { keystoreOf } from './e2e-world.ts';

const NOTHING = 'ee'.repeat(32);

export interface Answered {
  status: number;
  /** Our code where there is one, else tRPC's. */
  code: string | null;
}

/** Sends it as it is. */
export async function answerTo(world: World, call: Call): Promise<Answered> {
  const { procedure, method = 'POST', body, headers = {} } = call;
  const answer = await fetch(`http://127.0.0.1:${world.coordinator.port}/${procedure}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body }),
  });
  const text = await answer.text();
  const { error } = JSON.parse(text) as {
    error?: { data?: { code?: string; failure?: string | null } };
  };
  // Nobody outside sees where in the code it was refused.
  if (text.includes('.ts:') || text.includes('.js:')) throw new Error(`a stack travels: ${text}`);
  return { status: answer.status, code: error?.data?.failure ?? error?.data?.code ?? null };
}

/** Signed by ana's own key, with whatever else the body of the request shall say. */
export async function signedCall(
  world: World,
  call: Call,
  lie: Partial<RequestFields> = {},
): Promise<Call> {
  const [procedure = '', query = ''] = call.procedure.split('?');
  const input = call.body ?? new URLSearchParams(query).get('input') ?? '';
  const body = {
    treasuryId: world.treasuryId,
    seatId: 'ana',
    procedure,
    bodyHash: bytesToHex(sha256(utf8ToBytes(input))),
    id: randomBytes(32).toString('hex'),
    unixTimeMs: Date.now(),
    ...lie,
  };
  const request = (await ana(world)).say('request', body);
  const header = Buffer.from(canonicalJson(request)).toString('base64');
  return { ...call, headers: { ...call.headers, [REQUEST_HEADER]: header } };
}

interface RequestFields {
  treasuryId: string;
  seatId: string;
  procedure: string;
  bodyHash: string;
  unixTimeMs: number;
}

const keystores = new Map<string, ReturnType<typeof keystoreOf>>();

/** Opened once: it costs a second. */
function ana(world: World) {
  const opened = keystores.get(world.dir) ?? keystoreOf(world, 'ana');
  keystores.set(world.dir, opened);
  return opened;
}

/** One bit of the signature is another. */
function spoilt(call: Call): Call {
  const header = Buffer.from(call.headers?.[REQUEST_HEADER] ?? '', 'base64').toString('utf8');
  const request = JSON.parse(header) as { signature: string };
  const last = request.signature.endsWith('0') ? '1' : '0';
  const signature = `${request.signature.slice(0, -1)}${last}`;
  const text = canonicalJson({ ...request, signature });
  return { ...call, headers: { [REQUEST_HEADER]: Buffer.from(text).toString('base64') } };
}

function contributionOf(seatId: string): string {
  const signatures = [`30${'01'.repeat(70)}01`];
  return JSON.stringify({ proposalId: NOTHING, seatId, round: 1, scheme: 'wsh-ecdsa', signatures });
}

async function verdictOf(world: World, subject: string): Promise<string> {
  const body = {
    treasuryId: world.treasuryId,
    network: 'regtest',
    seatId: 'ana',
    subject,
    verdict: 'signed',
    classes: [],
    note: '',
    headSeq: 1,
  };
  return JSON.stringify((await ana(world)).say('verdict', body));
}

/** A seat is taken with a token that nobody was given. */
async function claimWithWrongToken(world: World): Promise<Call> {
  const body = {
    treasuryId: world.treasuryId,
    network: 'regtest',
    seatId: 'ana',
    identityKey: (await ana(world)).identityKey,
    protocol: { min: 1, max: 1 },
    version: '0.1.0',
    genesisHash: null,
    tipHeight: null,
    unixTime: Math.floor(Date.now() / 1_000),
  };
  const claim = (await ana(world)).say('seat-claim', body);
  return { procedure: 'claimSeat', body: JSON.stringify({ token: 'ff'.repeat(16), claim }) };
}

export interface Call {
  procedure: string;
  method?: 'GET' | 'POST';
  body?: string;
  headers?: Record<string, string>;
}

export type Wire = (world: World) => Promise<Call> | Call;

/** What is sent, the HTTP status, and our code or tRPC's. */
export const CALLS: readonly [what: string, call: Wire, status: number, code: string][] = [
  [
    'a body above the bound',
    () => ({ procedure: 'postVerdict', body: `"${'x'.repeat(BODY_BYTES_MAX)}"` }),
    413,
    'PAYLOAD_TOO_LARGE',
  ],
  ['a procedure that is none', () => ({ procedure: 'giveMeMoney', body: '{}' }), 404, 'NOT_FOUND'],
  [
    'a body that is no JSON',
    (world) => signedCall(world, { procedure: 'postVerdict', body: '{"a":' }),
    400,
    'BAD_REQUEST',
  ],
  [
    'two calls in one request',
    () => ({ procedure: 'acknowledgements,acknowledgements?batch=1', method: 'GET' }),
    400,
    'BAD_REQUEST',
  ],
  [
    'a call that nobody signed',
    () => ({ procedure: 'acknowledgements', method: 'GET' }),
    401,
    'UNAUTHORIZED',
  ],
  ['a token that opens no seat', claimWithWrongToken, 400, 'REQUEST_REFUSED'],
  [
    'a header that is no request',
    () => ({ procedure: 'acknowledgements', method: 'GET', headers: { [REQUEST_HEADER]: 'AAAA' } }),
    401,
    'REQUEST_REFUSED',
  ],
  [
    'a header without an end',
    () => ({
      procedure: 'acknowledgements',
      method: 'GET',
      headers: { [REQUEST_HEADER]: 'A'.repeat(5_000) },
    }),
    401,
    'REQUEST_REFUSED',
  ],
  [
    'a seat that does not exist',
    (world) =>
      signedCall(world, { procedure: 'acknowledgements', method: 'GET' }, { seatId: 'zoe' }),
    401,
    'REQUEST_REFUSED',
  ],
  [
    'another seat’s name',
    (world) =>
      signedCall(world, { procedure: 'acknowledgements', method: 'GET' }, { seatId: 'ben' }),
    401,
    'REQUEST_REFUSED',
  ],
  [
    'a signature for another treasury',
    (world) =>
      signedCall(world, { procedure: 'acknowledgements', method: 'GET' }, { treasuryId: NOTHING }),
    401,
    'REQUEST_REFUSED',
  ],
  [
    'a signature for another procedure',
    (world) =>
      signedCall(world, { procedure: 'acknowledgements', method: 'GET' }, { procedure: 'log' }),
    401,
    'REQUEST_REFUSED',
  ],
  [
    'a signature over another body',
    (world) => signedCall(world, { procedure: 'postVerdict', body: '{}' }, { bodyHash: NOTHING }),
    401,
    'REQUEST_REFUSED',
  ],
  [
    'a request of yesterday',
    (world) =>
      signedCall(
        world,
        { procedure: 'acknowledgements', method: 'GET' },
        { unixTimeMs: Date.now() - 86_400_000 },
      ),
    401,
    'REQUEST_REPLAYED',
  ],
  [
    'a signature with one bit wrong',
    async (world) =>
      spoilt(await signedCall(world, { procedure: 'acknowledgements', method: 'GET' })),
    401,
    'REQUEST_REFUSED',
  ],
  [
    'unknown fields',
    (world) => signedCall(world, { procedure: 'postContribution', body: '{"surprise":1}' }),
    400,
    'BAD_REQUEST',
  ],
  [
    'signatures for a proposal that is none',
    (world) => signedCall(world, { procedure: 'postContribution', body: contributionOf('ana') }),
    400,
    'NOT_FOUND',
  ],
  [
    'signatures in another seat’s name',
    (world) => signedCall(world, { procedure: 'postContribution', body: contributionOf('ben') }),
    400,
    'REQUEST_REFUSED',
  ],
  [
    'a verdict on nothing',
    async (world) =>
      signedCall(world, { procedure: 'postVerdict', body: await verdictOf(world, NOTHING) }),
    400,
    'NOT_FOUND',
  ],
  [
    'the parcel of nothing',
    (world) =>
      signedCall(world, {
        procedure: `parcel?input=${encodeURIComponent(JSON.stringify({ proposalId: NOTHING }))}`,
        method: 'GET',
      }),
    400,
    'NOT_FOUND',
  ],
  [
    'a page of the log without an end',
    (world) =>
      signedCall(world, {
        procedure: `log?input=${encodeURIComponent('{"afterSeq":0,"limit":1000000,"waitMs":0}')}`,
        method: 'GET',
      }),
    400,
    'BAD_REQUEST',
  ],
  [
    'a wait of a year',
    (world) =>
      signedCall(world, {
        procedure: `log?input=${encodeURIComponent('{"afterSeq":0,"limit":1,"waitMs":31536000000}')}`,
        method: 'GET',
      }),
    400,
    'BAD_REQUEST',
  ],
];
