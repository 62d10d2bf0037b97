/**
 * The agent's eyes on the pool's LND, over gRPC by ln-service. It calls three methods, all of them reads, so
 * its macaroon needs these URIs and no more (LND's ready-made `readonly.macaroon` can send probes):
 *
 *     lncli bakemacaroon --save_to agent.macaroon uri:/lnrpc.Lightning/GetInfo \
 *       uri:/lnrpc.Lightning/PendingChannels uri:/lnrpc.Lightning/ListChannels
 */
import { readFile } from 'node:fs/promises';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import {
  type AuthenticatedLnd,
  authenticatedLndGrpc,
  getChannels,
  getPendingChannels,
  getWalletInfo,
} from 'ln-service';
import { z } from 'zod';
import { printable } from '../../console/print.ts';
import { BrokenInvariant, Failure } from '../../policies/failure.ts';
import { hex32, nodeKey } from '../../policies/intent.ts';
import { sat } from '../../policies/units.ts';
import type { LightningView } from '../lightning-view.ts';

/** Where the node is, and the files that let this agent in. */
export interface LndAccess {
  /** `host:port`, by a name that its certificate knows. */
  socket: string;
  /** TLS certificate, PEM. */
  certFile: string;
  macaroonFile: string;
}

/** ln-service sets no deadline of its own: a node that hangs would hang its caller (gRPC deadlines). */
const DEADLINE_MS = 5_000;
/** A certificate or macaroon is a few hundred bytes; more is another file. */
const CREDENTIAL_BYTES_MAX = 64 * 1024;
/** Of what the node said, as much as helps. */
const DETAIL_CHARS_MAX = 200;

const tokens = z
  .int()
  .min(0)
  .transform((value) => sat(BigInt(value)));
const place = {
  transaction_id: hex32,
  transaction_vout: z.int().min(0).max(0xffff),
  partner_public_key: nodeKey,
  capacity: tokens,
};
const pendingAnswer = z.object({
  pending_channels: z.array(
    z.object({
      ...place,
      is_opening: z.boolean(),
      remote_balance: tokens,
    }),
  ),
});
const channelsAnswer = z.object({
  channels: z.array(
    z.object({ ...place, cooperative_close_address: z.string().max(200).optional() }),
  ),
});
const infoAnswer = z.object({ public_key: nodeKey, chains: z.array(hex32) });

/** Connects at the first call. Credentials are read again after every failure: a node renews its certificate. */
export function ownLnd(access: LndAccess): LightningView {
  let opened: AuthenticatedLnd | null = null;
  const ask = async <T>(
    schema: z.ZodType<T>,
    what: string,
    call: (lnd: AuthenticatedLnd) => Promise<unknown>,
  ): Promise<T> => {
    try {
      opened ??= await connected(access);
      return answered(schema, what, await inTime(call(opened)));
    } catch (cause) {
      if (opened !== null) closed(opened);
      opened = null;
      throw unreachable(what, cause);
    }
  };
  return {
    async identity() {
      const info = await ask(infoAnswer, 'GetInfo', (lnd) => getWalletInfo({ lnd }));
      const [chain] = info.chains;
      // The chain id of BOLT 2 is the hash as it is hashed; people write it reversed.
      const genesisHash = chain === undefined ? null : bytesToHex(hexToBytes(chain).toReversed());
      return { publicKey: info.public_key, genesisHash };
    },
    async pendingChannels() {
      const found = await ask(pendingAnswer, 'PendingChannels', (lnd) =>
        getPendingChannels({ lnd }),
      );
      return found.pending_channels
        .filter(({ is_opening }) => is_opening)
        .map((each) => ({ ...placed(each), peerSat: each.remote_balance }));
    },
    async activeChannels() {
      const found = await ask(channelsAnswer, 'ListChannels', (lnd) => getChannels({ lnd }));
      return found.channels.map((each) => ({
        ...placed(each),
        closeAddress: each.cooperative_close_address ?? null,
      }));
    },
  };
}

function placed(channel: z.infer<z.ZodObject<typeof place>>) {
  return {
    outpoint: `${channel.transaction_id}:${channel.transaction_vout}`,
    peer: channel.partner_public_key,
    capacitySat: channel.capacity,
  };
}

/**
 * ln-service also sets GRPC_SSL_CIPHER_SUITES in this process's environment, for LND's certificates; nothing
 * else here speaks gRPC.
 */
async function connected({ socket, certFile, macaroonFile }: LndAccess): Promise<AuthenticatedLnd> {
  const [cert, macaroon] = await Promise.all([certFile, macaroonFile].map(credential));
  return authenticatedLndGrpc({ socket, cert: cert ?? '', macaroon: macaroon ?? '' }).lnd;
}

/** In base64, as ln-service wants it. */
async function credential(file: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new Failure('LND_UNREACHABLE', `${file} cannot be read (${cause.code ?? 'unknown'})`);
  });
  if (bytes.length > 0 && bytes.length <= CREDENTIAL_BYTES_MAX) return bytes.toString('base64');
  throw new Failure('LND_UNREACHABLE', `${file} is no certificate or macaroon`);
}

function closed(lnd: AuthenticatedLnd): void {
  for (const client of Object.values(lnd) as { close?: () => void }[]) client.close?.();
}

async function inTime<T>(call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const failure = new Failure('LND_UNREACHABLE', `no answer within ${DEADLINE_MS} ms`);
    timer = setTimeout(() => reject(failure), DEADLINE_MS);
  });
  try {
    return await Promise.race([call, late]);
  } finally {
    clearTimeout(timer);
  }
}

function answered<T>(schema: z.ZodType<T>, what: string, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Failure('LND_UNREACHABLE', `${what} has another shape at ${issue?.path.join('.')}`);
}

/** ln-service rejects with `[code, 'Name', { err }]`; what gRPC says of it is in `err.details`. */
function unreachable(what: string, cause: unknown): Failure {
  if (cause instanceof BrokenInvariant) throw cause;
  const detail = printable(detailOf(cause)).slice(0, DETAIL_CHARS_MAX);
  return new Failure('LND_UNREACHABLE', `the Lightning node does not answer ${what}: ${detail}`);
}

const reply = z.tuple([z.number(), z.string()], z.unknown());
const grpcError = z.object({ err: z.object({ details: z.string() }) });

function detailOf(cause: unknown): string {
  const read = reply.safeParse(cause);
  if (!read.success) return cause instanceof Error ? cause.message : 'unknown';
  const [code, name, more] = read.data;
  const said = grpcError.safeParse(more);
  return `${code} ${name}${said.success ? ` ${said.data.err.details}` : ''}`;
}
