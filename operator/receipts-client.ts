/** Fetches receipts and proofs of a pool over its public API. What comes back is bytes, to be verified. */
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'undici';
import { Failure } from '../policies/failure.ts';
import { DOCUMENT_BYTES_MAX, type ReadDocument, readDocument } from './receipts/document.ts';

const CALL_MS_MAX = 30_000;
const TOKEN_CHARS_MAX = 4_096;

export interface PoolAddress {
  /** `https://pool.example`, where `/v1` begins. */
  url: string;
  /** File with a bearer token: its owner gets the whole receipt. */
  tokenFile?: string | undefined;
}

/** A receipt with its proof, as the pool gives it. @throws Failure NOT_FOUND, REQUEST_REFUSED, INPUT_INVALID */
export async function fetchDocument(pool: PoolAddress, receiptId: string): Promise<ReadDocument> {
  if (!/^[a-z0-9_]{1,64}$/.test(receiptId)) {
    throw new Failure('INPUT_INVALID', 'a receipt id is a-z, 0-9 and _, at most 64 characters');
  }
  const dispatcher = new Agent({ connections: 1, maxResponseSize: DOCUMENT_BYTES_MAX });
  try {
    const found = readDocument(await textAt(pool, `v1/receipts/${receiptId}`, dispatcher));
    if (found.proof !== null) return found;
    const proof = await textAt(pool, `v1/proofs/${receiptId}`, dispatcher);
    return { receipt: found.receipt, proof: readDocument(proof).receipt };
  } finally {
    await dispatcher.close();
  }
}

async function textAt(pool: PoolAddress, path: string, dispatcher: Agent): Promise<string> {
  const url = addressOf(pool.url, path);
  const headers = await headersOf(pool);
  const answer = await request(url, {
    dispatcher,
    headers,
    signal: AbortSignal.timeout(CALL_MS_MAX),
  }).catch((cause: unknown) => {
    throw new Failure('OPERATOR_UNREACHABLE', `${url.host} does not answer`, { cause });
  });
  const text = await answer.body.text().catch((cause: unknown) => {
    throw new Failure('INPUT_TOO_LARGE', `${url.host} broke off, or sent too much`, { cause });
  });
  if (answer.statusCode === 200) return text;
  if (answer.statusCode === 404) throw new Failure('NOT_FOUND', `${url.host} has no such receipt`);
  throw new Failure('REQUEST_REFUSED', `${url.host} answered ${answer.statusCode}`);
}

function addressOf(base: string, path: string): URL {
  const withSlash = base.endsWith('/') ? base : `${base}/`;
  if (!/^https?:\/\//.test(base) || !URL.canParse(path, withSlash)) {
    throw new Failure('INPUT_INVALID', '--url: an http or https address');
  }
  const url = new URL(path, withSlash);
  if (url.username !== '' || url.password !== '') {
    throw new Failure('INPUT_INVALID', '--url: no user and password; see --token-file');
  }
  return url;
}

async function headersOf({ tokenFile }: PoolAddress): Promise<Record<string, string>> {
  if (tokenFile === undefined) return {};
  const token = await readFile(tokenFile, 'utf8').catch((cause: unknown) => {
    throw new Failure('NOT_FOUND', `${tokenFile} cannot be read`, { cause });
  });
  const text = token.trim();
  if (text.length > TOKEN_CHARS_MAX || !/^[!-~]+$/.test(text)) {
    throw new Failure('INPUT_INVALID', `${tokenFile} holds no bearer token`);
  }
  return { authorization: `Bearer ${text}` };
}
