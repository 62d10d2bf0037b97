/**
 * This seat's part of the ceremony: claim after a preflight, keys once every seat is taken, the wallet
 * checked and pinned once its guardian confirmed it. Each step may be called again and goes on.
 */
import { type Invite } from '../coordinator/protocol.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { Failure } from '../policies/failure.ts';
import { ceremonyDone, type Treasury } from '../policies/treasury.ts';
import {
  type KeyRecord,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  type SeatClaim,
  type SeatConfirmation,
  walletRecordHash,
} from '../policies/wallet-record.ts';
import { checkWalletRecord } from './ceremony-check.ts';
import type { Engine } from './engine.ts';
import { followOnce } from './follower.ts';
import type { Session } from './session.ts';

/** Version of the program, as a seat's claim says it. */
const VERSION = '0.1.0';
const MS_IN_SECOND = 1_000;

/** How far a seat has come. `mnemonic` is there once: in the answer that made the keys. */
export interface Joined {
  state: 'claimed' | 'joined';
  seatId: string;
  /** Seats that nobody claimed yet. */
  waitingFor: readonly string[];
  mnemonic: string | null;
}

/** @throws Failure WRONG_STATE for another treasury's invite; whatever the coordinator refuses with. */
export async function joinSeat(
  session: Session,
  invite: Invite,
  approvalKey: string,
): Promise<Joined> {
  const { engine } = session;
  await engine.inTurn(() => acceptInvite(engine, invite));
  await session.door().claimSeat(invite.token, await claimOf(engine));
  while ((await followOnce(session, 0)) === 'more') continue;
  const { treasury } = engine.state();
  const waitingFor = [...treasury.seats.values()]
    .filter(({ claim }) => claim === null)
    .map(({ id }) => id);
  const { seatId } = invite;
  // No key before every seat is taken: a ceremony that cannot end should not begin.
  if (treasury.params === null || waitingFor.length > 0) {
    return { state: 'claimed', seatId, waitingFor, mnemonic: null };
  }
  const mnemonic = await engine.inTurn(() => makeKeys(engine, approvalKey));
  const { keyRecord } = engine.state();
  if (keyRecord !== null && !isInLog(treasury, keyRecord)) await session.door().joinSeat(keyRecord);
  return { state: 'joined', seatId, waitingFor: [], mnemonic };
}

/** Pins the wallet that this guardian compared, and says so. @throws Failure WRONG_STATE, NOT_READY */
export async function acceptWallet(
  session: Session,
  recordHash: string,
): Promise<SeatConfirmation> {
  const { engine } = session;
  const confirmation = await engine.inTurn(async () => {
    const { treasury, keyRecord, pinned } = engine.state();
    const { wallet, params } = treasury;
    if (wallet === null || params === null) {
      throw new Failure('NOT_READY', 'not every seat brought its keys yet');
    }
    if (walletRecordHash(wallet) !== recordHash) {
      throw new Failure('WRONG_STATE', 'the wallet changed since it was shown: compare it again');
    }
    if (pinned !== null && walletRecordHash(pinned.record) === recordHash) {
      return pinned.confirmation;
    }
    const [problem] = checkWalletRecord(wallet, treasury, keyRecord);
    if (problem !== undefined) {
      throw new Failure('REQUEST_REFUSED', `${problem.code}: ${problem.detail}`);
    }
    const { treasuryId, network } = engine.trust();
    const made: SeatConfirmation = engine.parts.keystore.say('seat-confirmation', {
      treasuryId,
      network,
      seatId: engine.seatId(),
      recordHash,
      firstAddress: wallet.firstAddress,
      policyHash: params.policyHash,
    });
    const mac = engine.parts.keystore.macOf(wallet);
    await engine.record([{ kind: 'pinned', record: wallet, mac, confirmation: made }]);
    return made;
  });
  await session.door().confirmSeat(confirmation);
  return confirmation;
}

/** Sends again what the log does not show: a record or a confirmation whose answer was lost. */
export async function repeatCeremony(session: Session): Promise<void> {
  const { engine } = session;
  const { treasury, keyRecord, pinned } = engine.state();
  if (ceremonyDone(treasury) || keyRecord === null) return;
  if (treasury.params !== null && !isInLog(treasury, keyRecord)) {
    await session.door().joinSeat(keyRecord);
  }
  const { wallet } = treasury;
  if (wallet === null || pinned === null) return;
  const confirmed = treasury.seats.get(engine.seatId())?.confirmation !== null;
  const same = walletRecordHash(pinned.record) === walletRecordHash(wallet);
  if (same && !confirmed) await session.door().confirmSeat(pinned.confirmation);
}

async function acceptInvite(engine: Engine, invite: Invite): Promise<void> {
  const { url, treasuryId, coordinatorKey, seatId } = invite;
  const { invited } = engine.state();
  if (invited === null) {
    await engine.record([{ kind: 'invited', url, treasuryId, coordinatorKey, seatId }]);
    return;
  }
  if (invited.treasuryId !== treasuryId || invited.seatId !== seatId) {
    throw new Failure(
      'WRONG_STATE',
      `this agent is seat ${invited.seatId} of treasury ${invited.treasuryId.slice(0, 8)} already`,
    );
  }
}

/** What this machine sees, before a key is made. */
async function claimOf(engine: Engine): Promise<SeatClaim> {
  const { keystore, node, now } = engine.parts;
  const { treasuryId, network } = engine.trust();
  const identity = node === null ? null : await node.identity();
  if (identity !== null && identity.genesisHash !== NETWORKS[network].genesisHash) {
    throw new Failure('NETWORK_MISMATCH', `the own node is not on ${network}`);
  }
  return keystore.say('seat-claim', {
    treasuryId,
    network,
    seatId: engine.seatId(),
    identityKey: keystore.identityKey,
    protocol: { min: PROTOCOL_MIN, max: PROTOCOL_MAX },
    version: VERSION,
    genesisHash: identity?.genesisHash ?? null,
    tipHeight: identity?.tipHeight ?? null,
    unixTime: Math.floor(now() / MS_IN_SECOND),
  });
}

/** Gives the words of a key made here, once. */
async function makeKeys(engine: Engine, approvalKey: string): Promise<string | null> {
  const { keystore } = engine.parts;
  const { keyRecord } = engine.state();
  if (keyRecord !== null && keyRecord.body.approvalKey === approvalKey) return null;
  // A key that was made and never published, since the process died between the two, is made anew: its
  // words were shown to nobody.
  const isNew = keyRecord === null && keystore.holder === 'here';
  const made = isNew ? await keystore.makeSpendingKey() : null;
  const account = made?.account ?? keystore.account;
  if (account === null) throw new Failure('KEY_MISSING', 'this seat has no spending key');
  const { treasuryId, network } = engine.trust();
  const record: KeyRecord = keystore.say('key-record', {
    treasuryId,
    network,
    seatId: engine.seatId(),
    identityKey: keystore.identityKey,
    approvalKey,
    fingerprint: account.fingerprint,
    path: account.path,
    xpub: account.xpub,
    device: keystore.device,
  });
  await engine.record([{ kind: 'key-made', record }]);
  return made?.mnemonic ?? null;
}

function isInLog(treasury: Treasury, record: KeyRecord): boolean {
  return treasury.seats.get(record.body.seatId)?.record?.signature === record.signature;
}
