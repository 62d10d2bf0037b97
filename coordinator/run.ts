/** `weir coordinator run`: wires the coordinator, serves agents and operator, loops, and stops cleanly. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import { TRPCError } from '@trpc/server';
import { printJson, printNote } from '../console/print.ts';
import { openJournal } from '../journal/level-journal.ts';
import { Failure } from '../policies/failure.ts';
import { lastWord, watched } from '../transport/last-word.ts';
import { type ReadRequest, type Serving, serveHttp, serveUnix } from '../transport/trpc-server.ts';
import { bitcoindChain } from './adapters/bitcoind.ts';
import type { Chain } from './chain.ts';
import {
  bitcoindAddress,
  type CoordinatorConfig,
  FILES,
  readConfig,
  readCoordinatorKey,
} from './config.ts';
import { crashPointOf } from './crash-point.ts';
import { horizonFile } from './horizon-file.ts';
import { openTreasuryLog, type TreasuryLog } from './log.ts';
import { type Loop, openLoop } from './loop.ts';
import {
  OPERATOR_BODY_BYTES_MAX,
  type OperatorService,
  operatorRouter,
} from './operator-protocol.ts';
import { operatorService } from './operator-service.ts';
import { POOL_BODY_BYTES_MAX, type PoolService, poolRouter } from './pool-protocol.ts';
import { poolService } from './pool-service.ts';
import {
  BODY_BYTES_MAX,
  type CoordinatorContext,
  type CoordinatorService,
  coordinatorRouter,
  REQUEST_HEADER,
} from './protocol.ts';
import { openRequestGate, type RequestGate } from './request-auth.ts';
import { coordinatorService } from './service.ts';
import { openWorkplace, type Workplace } from './workplace.ts';

export interface RunOptions {
  dir: string;
  output: 'text' | 'json';
}

/**
 * Runs until SIGINT or SIGTERM.
 *
 * @throws Failure NOT_FOUND, KEY_MISSING, JOURNAL_…, NETWORK_MISMATCH; BrokenInvariant when what the journal
 *   holds is not what was folded: then nothing goes on.
 */
export async function runCoordinator({ dir, output }: RunOptions): Promise<void> {
  const config = await readConfig(dir);
  const secretKey = await readCoordinatorKey(dir);
  const { fatal, failed } = lastWord();
  const crashPoint = crashPointOf(process.env['WEIR_CRASH_AT'], () =>
    process.kill(process.pid, 'SIGKILL'),
  );
  const journal = await openJournal(path.join(dir, FILES.journal));
  const log = await openTreasuryLog({ journal, secretKey, crashPoint, broken: fatal });
  try {
    const chain = await chainOf(config, log);
    const work = openWorkplace({
      log,
      chain,
      now: () => Date.now(),
      random32: () => randomBytes(32).toString('hex'),
      crashPoint,
    });
    const loop = openLoop(work, config.poll_ms);
    const gate = await openRequestGate({
      treasury: () => log.treasury(),
      now: work.now,
      store: horizonFile(path.join(dir, FILES.horizons)),
    });
    const servings = await serve({ dir, config, work, loop, gate, fatal });
    const ready = {
      listening: config.listen,
      treasuryId: log.treasury().id,
      seq: log.treasury().seq,
    };
    if (output === 'json') printJson(ready);
    else printNote(`coordinator on ${ready.listening}, log entry ${ready.seq}; Ctrl-C ends it`);
    try {
      await Promise.race([loop.run(), failed, once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    } finally {
      // Long polls are let go first, so that the servers have nothing to wait for.
      const closing = log.close();
      await Promise.all([loop.stop(), ...servings.map((each) => each.close())]);
      await closing;
    }
  } finally {
    await log.close();
  }
}

interface Parts {
  dir: string;
  config: CoordinatorConfig;
  work: Workplace;
  loop: Loop;
  gate: RequestGate;
  fatal: (cause: unknown) => void;
}

async function serve({ dir, config, work, loop, gate, fatal }: Parts): Promise<Serving[]> {
  const [host = '', port = ''] = config.listen.split(':');
  const tokenHashes = new Map(config.seats.map(({ id, token_sha256 }) => [id, token_sha256]));
  const service: CoordinatorService = watched(coordinatorService({ work, tokenHashes }), fatal);
  const operator: OperatorService = watched(
    operatorService({
      work,
      loop,
      gate,
      longTermFeerate: config.long_term_feerate,
      places: { journal: path.join(dir, FILES.journal), bitcoindUrl: config.bitcoind.url },
    }),
    fatal,
  );
  const socket = await serveUnix(
    {
      router: operatorRouter,
      createContext: () => ({ service: operator }),
      bodyBytesMax: OPERATOR_BODY_BYTES_MAX,
    },
    path.join(dir, FILES.socket),
  );
  const pool: PoolService = watched(
    poolService({ work, longTermFeerate: config.long_term_feerate }),
    fatal,
  );
  const poolSocket = await serveUnix(
    {
      router: poolRouter,
      createContext: () => ({ service: pool }),
      bodyBytesMax: POOL_BODY_BYTES_MAX,
    },
    path.join(dir, FILES.pool),
  );
  const http = await serveHttp(
    {
      router: coordinatorRouter,
      createContext: (request) => contextOf(request, service, gate),
      bodyBytesMax: BODY_BYTES_MAX,
    },
    { host, port: Number.parseInt(port, 10) },
  );
  return [socket, poolSocket, http];
}

/** Who calls. A request without a signature has no seat; a claim is signed in itself. */
export async function contextOf(
  request: ReadRequest,
  service: CoordinatorService,
  gate: RequestGate,
): Promise<CoordinatorContext> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const procedure = url.pathname.slice(1);
  const header = request.headers[REQUEST_HEADER];
  if (typeof header !== 'string' || procedure === 'claimSeat') return { service, seatId: null };
  const input = request.body === '' ? (url.searchParams.get('input') ?? '') : request.body;
  try {
    return { service, seatId: await gate.admit({ header, procedure, input }) };
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    // Who calls wrongly is told so: a status of 500 would say that this side is broken.
    throw new TRPCError({ code: 'UNAUTHORIZED', message: cause.message, cause });
  }
}

/** The node's wallet is named by the treasury; its network was checked at init and is checked again. */
async function chainOf(config: CoordinatorConfig, log: TreasuryLog): Promise<Chain> {
  const { id, params } = log.treasury();
  if (id === null || params === null) throw new Failure('WRONG_STATE', 'the log has no beginning');
  const chain = bitcoindChain({
    address: await bitcoindAddress(config),
    wallet: `weir-coordinator-${id.slice(0, 16)}`,
    birthTime: config.birth_time,
    fallbackFeerate: config.fallback_feerate ?? null,
  });
  try {
    const { genesisHash } = await chain.identity();
    if (genesisHash !== params.genesisHash) {
      throw new Failure('NETWORK_MISMATCH', `bitcoind is not on ${params.network}`);
    }
  } catch (cause) {
    // A node that is away is waited for; `watch` fails on one of another network, which lacks the coins.
    if (!(cause instanceof Failure) || cause.code !== 'BITCOIND_UNREACHABLE') throw cause;
    printNote(`bitcoind does not answer yet: ${cause.message}`);
  }
  return chain;
}
