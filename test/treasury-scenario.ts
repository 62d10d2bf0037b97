/**
 * A treasury for tests: named guardians with fixed keys, a coordinator that signs a log, LPs that sign
 * orders. Everything in it is valid; a test changes one thing.
 */
import { readFileSync } from 'node:fs';
import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { HDKey } from '@scure/bip32';
import type { AuthorizationIntent, LpOrderBody, LpRegistration } from '../policies/intent.ts';
import {
  GENESIS_HASH,
  type LogEntry,
  type LogEvent,
  logEntryHash,
  signHead,
} from '../policies/log-entry.ts';
import { parsePolicy, policyHash } from '../policies/policy.ts';
import { type Approval, authorizationId, type Proposal } from '../policies/proposal.ts';
import { type Domain, type Signed, signStatement } from '../policies/statement.ts';
import { EMPTY_TREASURY, type Treasury } from '../policies/treasury.ts';
import { applyEntry } from '../policies/treasury-fold.ts';
import {
  type CeremonyParams,
  type KeyRecord,
  treasuryIdOf,
  type WalletRecord,
  walletRecordHash,
} from '../policies/wallet-record.ts';

/** Genesis of regtest (kernel/chainparams.cpp). */
export const REGTEST_GENESIS = '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206';
const SEATS = ['ana', 'ben', 'cleo', 'dora', 'emil'];
export const SEATS_OF_THREE: readonly string[] = SEATS.slice(0, 3);
const TPUB = { private: 0x04358394, public: 0x043587cf };
export const ACCOUNT_PATH = '48h/1h/0h/2h';

/** A secret made of a name: fixed, so that a failing test fails the same way twice. */
export function secretOf(name: string): Uint8Array {
  return sha256(utf8ToBytes(`weir test ${name}`));
}
export function keyOf(name: string): string {
  return bytesToHex(schnorr.getPublicKey(secretOf(name)));
}
/** Account node of a seat at the BIP-48 path. */
export function accountOf(seatId: string): HDKey {
  return HDKey.fromMasterSeed(secretOf(`${seatId} seed`), TPUB).derive(`m/48'/1'/0'/2'`);
}
export function masterFingerprintOf(seatId: string): string {
  const master = HDKey.fromMasterSeed(secretOf(`${seatId} seed`), TPUB);
  return master.fingerprint.toString(16).padStart(8, '0');
}
function said<T>(domain: Domain, body: T, name: string): Signed<T> {
  return signStatement(domain, body, secretOf(name), new Uint8Array(32));
}

/** A log in the making: `append` signs and folds, and throws what the fold refuses. */
export interface TestLog {
  entries: LogEntry[];
  treasury: Treasury;
  append(event: LogEvent): LogEntry;
}

export interface TreasuryScenario extends TestLog {
  params: CeremonyParams;
  id: string;
  threshold: number;
  seats: readonly string[];
  wallet: WalletRecord;
  order(lpId: string, change: Partial<LpOrderBody> & { script: string }): Signed<LpOrderBody>;
  approval(
    signerId: string,
    role: 'guardian' | 'operator',
    subject: { id: string; proposal?: Proposal; txid: string | null },
    decision?: 'approve' | 'reject',
  ): Approval;
  /** Proposes an authorization and approves it by threshold guardians. */
  authorize(intent: AuthorizationIntent): string;
  verdict(
    seatId: string,
    subject: string,
    verdict: 'signed' | 'asks' | 'refused' | 'never',
  ): LogEvent;
}

/** A policy of the demo's text with the seats and network that a test needs. */
export function policyText(seats: readonly string[]): string {
  const text = readFileSync('demo/policy.yaml', 'utf8');
  const lines = seats.map((id) => `  - { id: ${id}, automatic: yes }`).join('\n');
  const majority = Math.floor(seats.length / 2) + 1;
  return text
    .replace(/guardians:\n( {2}- .*\n)+/, `guardians:\n${lines}\n`)
    .replaceAll(/^ {2}(policy_change|registry_change|breaker): .*$/gm, (line) =>
      line.replaceAll('approvals: 2', `approvals: ${majority}`),
    );
}

export interface ScenarioOptions {
  threshold: number;
  of: number;
  /** Assembles the descriptor and its first address of key records; fixed text where none matters. */
  descriptor?: (
    records: readonly KeyRecord[],
    threshold: number,
  ) => { text: string; first: string };
  policy?: string;
}

/** A treasury whose ceremony is over. */
export function treasuryScenario(options: ScenarioOptions): TreasuryScenario {
  const seats = SEATS.slice(0, options.of);
  const policy = options.policy ?? policyText(seats);
  const params: CeremonyParams = {
    schema: 'weir.ceremony/v1',
    name: 'test',
    network: 'regtest',
    genesisHash: REGTEST_GENESIS,
    threshold: options.threshold,
    seats,
    template: { kind: 'wsh-sortedmulti' },
    coordinatorKey: keyOf('coordinator'),
    operators: [{ id: 'olga', key: keyOf('olga') }],
    policyHash: policyHash(parsePolicy(policy)),
    protocol: { min: 1, max: 1 },
    salt: 'ab'.repeat(32),
  };
  const here = { treasuryId: treasuryIdOf(params), network: params.network };
  const log = testLog(params);
  log.append({ kind: 'ceremony-opened', params, policyText: policy });
  const records = seats.map((seatId) => sit(log, params, seatId));
  const made = options.descriptor?.(records, options.threshold) ?? { text: 'none', first: 'none' };
  const wallet: WalletRecord = {
    schema: 'weir.wallet/v1',
    treasuryId: here.treasuryId,
    epoch: 1,
    params,
    keyRecords: records,
    descriptor: made.text,
    firstAddress: made.first,
  };
  log.append({ kind: 'wallet-recorded', record: wallet });
  for (const seatId of seats) {
    const body = {
      ...here,
      seatId,
      recordHash: walletRecordHash(wallet),
      firstAddress: made.first,
      policyHash: params.policyHash,
    };
    const confirmation = said('seat-confirmation', body, `${seatId} identity`);
    log.append({ kind: 'seat-confirmed', confirmation });
  }
  return Object.assign(decisions(log, params), { params, wallet, seats });
}

/** An empty log signed by the test coordinator. */
export function testLog(params: CeremonyParams, coordinator = 'coordinator'): TestLog {
  const log: TestLog = {
    entries: [],
    treasury: EMPTY_TREASURY,
    append(event) {
      const last = log.entries.at(-1);
      const place = {
        seq: (last?.seq ?? 0) + 1,
        previous: last?.hash ?? GENESIS_HASH,
        body: event,
      };
      const hash = logEntryHash(place);
      const head = {
        treasuryId: treasuryIdOf(params),
        network: params.network,
        seq: place.seq,
        hash,
      };
      const entry = { ...place, hash, signature: signHead(head, secretOf(coordinator)) };
      log.treasury = applyEntry(log.treasury, entry);
      log.entries.push(entry);
      return entry;
    },
  };
  return log;
}

/** A seat claims and joins; gives its key record. */
export function sit(log: TestLog, params: CeremonyParams, seatId: string): KeyRecord {
  const here = { treasuryId: treasuryIdOf(params), network: params.network };
  const claim = said(
    'seat-claim',
    {
      ...here,
      seatId,
      identityKey: keyOf(`${seatId} identity`),
      protocol: { min: 1, max: 1 },
      version: '0.1.0',
      genesisHash: params.genesisHash,
      tipHeight: 0,
      unixTime: 0,
    },
    `${seatId} identity`,
  );
  log.append({ kind: 'seat-claimed', claim });
  const record = keyRecordOf(params, seatId);
  log.append({ kind: 'seat-joined', record });
  return record;
}

/** The key record a seat signs. */
export function keyRecordOf(
  params: CeremonyParams,
  seatId: string,
  change: Partial<KeyRecord['body']> = {},
): KeyRecord {
  const body = {
    treasuryId: treasuryIdOf(params),
    network: params.network,
    seatId,
    identityKey: keyOf(`${seatId} identity`),
    approvalKey: keyOf(`${seatId} approval`),
    fingerprint: masterFingerprintOf(seatId),
    path: ACCOUNT_PATH,
    xpub: accountOf(seatId).publicExtendedKey,
    device: null,
    ...change,
  };
  return said('key-record', body, `${seatId} identity`);
}

/** An LP's registration, signed by its own key, which is made of `name`. */
export function registrationOf(
  params: CeremonyParams,
  lpId: string,
  change: Partial<LpRegistration> = {},
  name = `${lpId} lp`,
): Signed<LpRegistration> {
  const body: LpRegistration = {
    treasuryId: treasuryIdOf(params),
    network: params.network,
    lpId,
    key: keyOf(name),
    activeFromHeight: 0,
    lifetimeCapSat: 10_000_000_000n as LpRegistration['lifetimeCapSat'],
    ...change,
  };
  return said('lp-registration', body, name);
}

function decisions(log: TestLog, params: CeremonyParams) {
  const { seats, threshold } = params;
  const here = { treasuryId: treasuryIdOf(params), network: params.network };
  let orders = 0;
  const approval: TreasuryScenario['approval'] = (signerId, role, subject, decision = 'approve') =>
    said(
      'approval',
      {
        ...here,
        subject: subject.id,
        txid: subject.txid,
        policyHash: subject.proposal?.policyHash ?? params.policyHash,
        decision,
        role,
        signerId,
        expiresHeight: 400_000_000,
      },
      role === 'operator' ? signerId : `${signerId} approval`,
    );
  // Members are added to the log itself, so that `treasury` stays the live one.
  return Object.assign(log, {
    id: here.treasuryId,
    threshold,
    approval,
    order(lpId: string, change: Partial<LpOrderBody> & { script: string }) {
      orders += 1;
      const body = {
        ...here,
        lpId,
        orderId: bytesToHex(secretOf(`order ${orders}`)),
        amountSat: 100_000n as LpOrderBody['amountSat'],
        maxFeeSat: 1_000n as LpOrderBody['maxFeeSat'],
        expiryHeight: 1_000_000,
        ...change,
      };
      return said('lp-order', body, `${lpId} lp`);
    },
    authorize(intent: AuthorizationIntent) {
      const value = {
        schema: 'weir.authorization/v1' as const,
        ...here,
        seq: log.treasury.seq + 1,
        epoch: 1,
        policyHash: params.policyHash,
        expiryHeight: 1_000_000,
        initiator: 'olga',
        intent,
      };
      log.append({ kind: 'authorization-proposed', authorization: value });
      const id = authorizationId(value);
      for (const signerId of seats.slice(0, threshold)) {
        const yes = approval(signerId, 'guardian', { id, txid: null });
        log.append({ kind: 'approval', approval: yes });
      }
      return id;
    },
    verdict(seatId: string, subject: string, word: 'signed' | 'asks' | 'refused' | 'never') {
      const body = {
        ...here,
        seatId,
        subject,
        verdict: word,
        classes: [],
        note: '',
        headSeq: log.treasury.seq,
      };
      return { kind: 'verdict' as const, verdict: said('verdict', body, `${seatId} identity`) };
    },
  });
}
