/** What the agent's commands reach over its socket: looks, the ceremony's steps, and a guardian's acts. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { base64 } from '@scure/base';
import { EXIT } from '../console/exit-code.ts';
import { ADDRESS_BOOK_FILE } from './address-book.ts';
import { APPROVAL_FILE } from './approval-key.ts';
import { type BackupParts, packBackup } from './backup.ts';
import { acceptWallet, type Joined, joinSeat } from './ceremony.ts';
import { approveHere, importPsbtFile, refuseHere, tripHere, unlockHere } from './guardian-acts.ts';
import { OVERLAY_FILE } from './init.ts';
import { KEYSTORE_FILE } from './keystore.ts';
import type { AgentService, Answer } from './local-protocol.ts';
import {
  confirmedWallet,
  exportOf,
  lookAt,
  lookAtAddress,
  lookAtCeremony,
  lookAtHistory,
  lookAtLimits,
  lookAtPending,
  lookAtStatus,
} from './looks.ts';
import type { Session } from './session.ts';
import { exportWallet } from './wallet-export.ts';

const MS_IN_SECOND = 1_000;

/** `wake` ends the rest of the loops, so that what was decided is sent at once. */
export function localService(session: Session, wake: () => void): AgentService {
  return { ...looks(session), ...acts(session, wake) };
}

type Looks = Pick<
  AgentService,
  | 'status'
  | 'ceremony'
  | 'pending'
  | 'review'
  | 'history'
  | 'limits'
  | 'address'
  | 'exportProposal'
  | 'exportWallet'
>;

function looks(session: Session): Looks {
  return {
    status: () => lookAtStatus(session),
    ceremony: async () => lookAtCeremony(session),
    pending: () => lookAtPending(session),
    review: (id) => lookAt(session, id),
    history: async () => lookAtHistory(session),
    limits: () => lookAtLimits(session),
    address: (index) => lookAtAddress(session, index),
    exportProposal: (id) => exportOf(session, id),
    async exportWallet(format) {
      const text = exportWallet(confirmedWallet(session).record, format);
      return { json: { format, wallet: text }, text, exit: EXIT.done };
    },
  };
}

function acts(session: Session, wake: () => void): Omit<AgentService, keyof Looks> {
  const { engine } = session;
  /** Says what was done, and lets the loops go on at once. */
  const did = (json: object, text: string): Answer => {
    wake();
    return { json, text, exit: EXIT.done };
  };
  return {
    async join(value, approvalKey) {
      const joined = await joinSeat(session, value, approvalKey);
      wake();
      return joinedAnswer(joined);
    },
    async accept(recordHash) {
      const { body } = await acceptWallet(session, recordHash);
      return did(
        { state: 'confirmed', firstAddress: body.firstAddress, recordHash },
        `confirmed; nothing is signed before all guardians did`,
      );
    },
    async approve(value) {
      await approveHere(session, value);
      const { subject } = value.body;
      const signed = engine.state().released.has(subject);
      return did(
        { id: subject, approved: 'yes', signed: signed ? 'yes' : 'not-yet' },
        signed ? 'approved, and this agent signed' : 'approved; it waits for the others',
      );
    },
    async refuse(id, note) {
      await refuseHere(session, id, note);
      return did({ id, refused: 'yes' }, `refused for good: this agent never signs ${id}`);
    },
    async importPsbt(psbt) {
      const id = await importPsbtFile(session, psbt);
      return did({ id, signed: 'yes' }, `the signatures for ${id} are good and on their way`);
    },
    async backup() {
      const packed = packBackup(await backupParts(session));
      const unixTime = Math.floor(engine.parts.now() / MS_IN_SECOND);
      await engine.inTurn(() => engine.record([{ kind: 'backed-up', unixTime }]));
      const json = { backup: base64.encode(packed) };
      return { json, text: `${packed.length} bytes`, exit: EXIT.done };
    },
    async unlock() {
      await unlockHere(session);
      const { state } = engine.state().automation;
      return did(
        { automation: state },
        state === 'locked'
          ? 'unlocked at your risk: all windows count as full until one has passed'
          : 'this agent signs by itself again',
      );
    },
    async trip() {
      await tripHere(session);
      return did(
        { automation: 'tripped' },
        'this agent signs nothing by itself until you unlock it',
      );
    },
    async freeze(value, change) {
      await engine.inTurn(() => engine.record([{ kind: 'frozen', outpoint: value, change }]));
      const text = change === 'freeze' ? `frozen: ${value}` : `free again: ${value}`;
      return did({ outpoint: value, change }, text);
    },
  };
}

function joinedAnswer({ state, seatId, waitingFor, mnemonic }: Joined): Answer {
  const json = { state, seatId, waitingFor, mnemonic };
  if (state === 'claimed') {
    const text = `seat ${seatId} is taken; nobody has taken ${waitingFor.join(', ')} yet`;
    return { json, text, exit: EXIT.notReady };
  }
  const words =
    mnemonic === null
      ? []
      : ['', 'Write these 24 words on paper, now. They are shown once:', '', mnemonic, ''];
  const text = [`seat ${seatId} joined`, ...words, 'next: weir signer-agent accept'].join('\n');
  return { json, text, exit: EXIT.done };
}

async function backupParts({ engine }: Session): Promise<BackupParts> {
  const { dir, config } = engine.parts;
  const { invited, keyRecord, pinned } = engine.state();
  const bytes = (name: string) => readFile(path.join(dir, name)).catch(absent);
  const text = (name: string) => readFile(path.join(dir, name), 'utf8').catch(absent);
  return {
    network: config.network,
    signerSealed: await readFile(path.join(dir, KEYSTORE_FILE)),
    approvalSealed: await bytes(APPROVAL_FILE),
    config: await text('config.yaml'),
    overlay: await text(OVERLAY_FILE),
    addressBook: await text(ADDRESS_BOOK_FILE),
    invited: invited === null ? null : invitedOf(invited),
    keyRecord,
    pinned:
      pinned === null
        ? null
        : { record: pinned.record, mac: pinned.mac, confirmation: pinned.confirmation },
  };
}

function invitedOf(invited: NonNullable<BackupParts['invited']>): BackupParts['invited'] {
  const { url, treasuryId, coordinatorKey, seatId } = invited;
  return { url, treasuryId, coordinatorKey, seatId };
}

function absent(cause: NodeJS.ErrnoException): null {
  if (cause.code === 'ENOENT') return null;
  throw cause;
}
