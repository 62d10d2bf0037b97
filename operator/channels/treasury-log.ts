/**
 * The treasury log as the pool reads it: every entry continues the chain, every page ends in a head that the
 * pinned coordinator signed. Who approved what is counted here, by us, and close addresses are derived here.
 */
import type { PoolService } from '../../coordinator/pool-protocol.ts';
import { POOL_LOG_PAGE_MAX } from '../../coordinator/pool-protocol.ts';
import { type Deriver, makeDeriver } from '../../descriptors/derive.ts';
import { parseTreasuryDescriptor } from '../../descriptors/descriptor.ts';
import { NETWORKS } from '../../descriptors/network.ts';
import { Failure } from '../../policies/failure.ts';
import type { NetworkName } from '../../policies/intent.ts';
import { headHolds, type LogEntry, logEntryHash } from '../../policies/log-entry.ts';
import { EMPTY_TREASURY, type Treasury } from '../../policies/treasury.ts';
import { applyEntry } from '../../policies/treasury-fold.ts';

/** Pages read at once: two million entries, far more than any log has. */
const PAGES_MAX = 10_000;

/** Whom the pool believes: written down once, when it is set up. */
export interface TreasuryTrust {
  treasuryId: string;
  network: NetworkName;
  coordinatorKey: string;
}

/**
 * The treasury after a page of its log. The head's signature covers the entries before it by the hash chain.
 *
 * @throws Failure SIGNATURE_INVALID for a head that the pinned coordinator did not sign, INPUT_INVALID for an
 *   entry that does not continue the log or breaks a rule of it.
 */
export function afterPage(
  treasury: Treasury,
  page: readonly LogEntry[],
  trust: TreasuryTrust,
): Treasury {
  const last = page.at(-1);
  if (last === undefined) return treasury;
  const { treasuryId, network, coordinatorKey } = trust;
  const head = { treasuryId, network, seq: last.seq, hash: last.hash };
  if (!headHolds(head, coordinatorKey, last.signature)) {
    throw new Failure('SIGNATURE_INVALID', `entry ${last.seq} is not of the pinned coordinator`);
  }
  let next = treasury;
  for (const entry of page) {
    if (logEntryHash(entry) !== entry.hash) {
      throw new Failure('INPUT_INVALID', `entry ${entry.seq} has another hash than it says`);
    }
    next = applyEntry(next, entry);
    if (next.id !== treasuryId || next.params?.network !== network) {
      throw new Failure('INPUT_INVALID', 'the log is of another treasury');
    }
  }
  return next;
}

export interface TreasuryFollower {
  /** As far as it was read. */
  treasury(): Treasury;
  /** Reads what is new. @throws Failure as `afterPage`, or of the coordinator */
  refresh(): Promise<Treasury>;
  /** Address of the treasury's receive branch. @throws Failure NOT_READY before the ceremony is done */
  closeAddress(index: number): string;
  /** Script of the treasury's change branch, hex. @throws as `closeAddress` */
  changeScript(index: number): string;
}

export function treasuryFollower(
  service: Pick<PoolService, 'log'>,
  trust: TreasuryTrust,
): TreasuryFollower {
  let treasury = EMPTY_TREASURY;
  let derivers: { epoch: number; deriver: Deriver } | null = null;

  async function read(): Promise<Treasury> {
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const page = await service.log(treasury.seq, POOL_LOG_PAGE_MAX);
      treasury = afterPage(treasury, page, trust);
      if (page.length < POOL_LOG_PAGE_MAX) return treasury;
    }
    throw new Failure('INPUT_TOO_LARGE', 'the treasury log has no end');
  }
  function deriver(): Deriver {
    const { wallet, epoch } = treasury;
    if (wallet === null) throw new Failure('NOT_READY', 'the treasury has no wallet yet');
    if (derivers?.epoch !== epoch) {
      const descriptor = parseTreasuryDescriptor(wallet.descriptor, NETWORKS[trust.network]);
      derivers = { epoch, deriver: makeDeriver(descriptor) };
    }
    return derivers.deriver;
  }
  let reading: Promise<Treasury> | null = null;

  return {
    treasury: () => treasury,
    refresh() {
      reading ??= read().finally(() => {
        reading = null;
      });
      return reading;
    },
    closeAddress: (index) => deriver().address(0, index),
    changeScript: (index) => deriver().at(1, index).script,
  };
}
