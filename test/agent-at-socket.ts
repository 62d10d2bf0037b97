/** An agent that answers on a real socket, and the commands run against it in this process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import type { z } from 'zod';
import type { Approval, approvalBody } from '../policies/proposal.ts';
import { signStatement } from '../policies/statement.ts';
import type { CommandTools } from '../signer-agent/command-tools.ts';
import { agentCommandTree } from '../signer-agent/command-tree.ts';
import {
  type AgentService,
  type Answer,
  agentRouter,
  LOCAL_BODY_BYTES_MAX,
  SOCKET_NAME,
} from '../signer-agent/local-protocol.ts';
import { type Serving, serveUnix } from '../transport/trpc-server.ts';
import { secretOf } from './treasury-scenario.ts';

export const ID = 'ab'.repeat(32);
export const RECORD = 'cd'.repeat(32);
export const APPROVES: z.infer<typeof approvalBody> = {
  treasuryId: ID,
  network: 'regtest',
  subject: ID,
  txid: RECORD,
  policyHash: RECORD,
  decision: 'approve',
  role: 'guardian',
  signerId: 'ana',
  expiresHeight: 600,
};

/** The folder of the test that runs, and what its agent and its tools were asked, in order. */
export const at: { dir: string; calls: unknown[] } = { dir: '', calls: [] };
let serving: Serving | null = null;
let out = '';
let err = '';

beforeEach(async () => {
  at.dir = await mkdtemp(path.join(tmpdir(), 'weir-agent-'));
  [out, err] = ['', ''];
  at.calls.length = 0;
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text.toString();
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text.toString();
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  await serving?.close();
  serving = null;
  await rm(at.dir, { recursive: true });
});

export async function stopServing(): Promise<void> {
  await serving?.close();
  serving = null;
}

export const said = (
  text: string,
  json: unknown = { said: text },
  exit: Answer['exit'] = 0,
): Answer => ({
  json,
  text,
  exit,
});

const heard =
  <A extends Answer>(name: string, answer: A) =>
  (...args: unknown[]): Promise<A> => {
    at.calls.push([name, ...args]);
    return Promise.resolve(answer);
  };

/** An agent that remembers what it was asked. */
function service(change: Partial<AgentService> = {}): AgentService {
  return {
    status: heard('status', said('all is well', { seatId: 'ana', treasurySat: 5n })),
    join: heard('join', said('joined')),
    ceremony: heard('ceremony', {
      ...said('compare this', { firstAddress: 'bcrt1qfirst' }),
      recordHash: RECORD,
      state: 'to-confirm' as const,
    }),
    accept: heard('accept', said('confirmed')),
    pending: heard('pending', said('nothing waits')),
    review: heard('review', { ...said('it pays 5 sat', { id: ID }), approves: APPROVES }),
    approve: heard('approve', said('approved')),
    refuse: heard('refuse', said('refused')),
    history: heard('history', said('nothing yet')),
    limits: heard('limits', said('all left')),
    address: heard('address', said('bcrt1qthird')),
    exportProposal: heard('exportProposal', said('', { psbt: 'cHNidP8=' })),
    importPsbt: heard('importPsbt', said('taken')),
    exportWallet: heard('exportWallet', said('{"wallet":1}')),
    backup: heard('backup', said('wrote it', { backup: Buffer.from('kept').toString('base64') })),
    unlock: heard('unlock', said('unlocked')),
    trip: heard('trip', said('tripped')),
    freeze: heard('freeze', said('frozen')),
    ...change,
  };
}

/** Serves on the socket of `at.dir`. */
export async function serve(change: Partial<AgentService> = {}): Promise<void> {
  const options = {
    router: agentRouter,
    createContext: () => ({ service: service(change) }),
    bodyBytesMax: LOCAL_BODY_BYTES_MAX,
  };
  serving = await serveUnix(options, path.join(at.dir, SOCKET_NAME));
}

const never = (): Promise<never> => Promise.reject(new Error('nobody asked for this'));

export function tools(change: Partial<CommandTools> = {}): CommandTools {
  return {
    passphrase: (request) => {
      at.calls.push(['passphrase', request.file ?? null, request.entry]);
      return Promise.resolve('correct horse');
    },
    agrees: (question) => {
      at.calls.push(['agrees', question]);
      return Promise.resolve(true);
    },
    approvalKey: () => Promise.resolve(RECORD),
    signApproval: (_folder, _passphrase, body): Promise<Approval> => {
      at.calls.push(['signApproval']);
      return Promise.resolve(
        signStatement('approval', body, secretOf('ana approval'), new Uint8Array(32)),
      );
    },
    init: never,
    restore: never,
    useLnd: never,
    run: never,
    verify: never,
    pause: () => Promise.resolve(),
    ...change,
  };
}

export interface Ended {
  exit: typeof process.exitCode;
  out: string;
  err: string;
}

/** Runs one command in this process, as `weir signer-agent …` would. */
export async function weir(
  words: readonly string[],
  change: Partial<CommandTools> = {},
): Promise<Ended> {
  [out, err] = ['', ''];
  const tree = agentCommandTree(tools(change));
  await tree.parseAsync([...words, '--dir', at.dir], { from: 'user' });
  return { exit: process.exitCode, out, err };
}

/** The error of a script's command: one JSON object, and a line for a person. */
export async function failed(words: readonly string[], change: Partial<CommandTools> = {}) {
  const ended = await weir([...words, '--json'], change);
  const { error } = JSON.parse(ended.out) as { error: { code: string; message: string } };
  expect(ended.err).toContain(`error ${error.code}: `);
  return { exit: ended.exit, ...error };
}
