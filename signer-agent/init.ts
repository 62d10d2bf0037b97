/** Makes an agent's data folder: config, sealed keys, an empty journal; or all of it from a backup. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NETWORKS } from '../descriptors/network.ts';
import { createJournal } from '../journal/level-journal.ts';
import { Failure } from '../policies/failure.ts';
import type { NetworkName } from '../policies/intent.ts';
import { walletRecordHash } from '../policies/wallet-record.ts';
import { nodeIdentity } from '../transport/bitcoind-node.ts';
import { bitcoindRpc } from '../transport/bitcoind-rpc.ts';
import { ownLnd } from './adapters/lnd.ts';
import { ADDRESS_BOOK_FILE } from './address-book.ts';
import { type BackupParts, unpackBackup } from './backup.ts';
import type { BitcoindOptions, InitRequest, LndOptions, RestoreRequest } from './command-tools.ts';
import {
  type AgentConfig,
  type BitcoindAccess,
  bitcoindAddress,
  POLL_MS_DEFAULT,
  readConfig,
  replaceConfig,
  writeConfig,
} from './config.ts';
import { createKeystore, openKeystore } from './keystore.ts';
import type { OwnEvent } from './own-event.ts';
import { randomHex32 } from './random.ts';

export const JOURNAL_FOLDER = 'journal';
export const OVERLAY_FILE = 'overlay.yaml';

/** @throws Failure WRONG_STATE where an agent is already, NETWORK_MISMATCH for a node of another network. */
export async function initAgent(request: InitRequest): Promise<void> {
  const { dir, network, passphrase, device } = request;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const config = await configOf(request, network);
  await createKeystore(dir, passphrase, { network, device });
  await (await createJournal(path.join(dir, JOURNAL_FOLDER))).close();
  // Last: a folder without it is no agent, and init may be tried again on another folder.
  await writeConfig(dir, config);
}

/**
 * An agent from a backup. It holds no counters: it stays locked until all peers proved that nothing which
 * it said is missing (H5), or its guardian takes the risk.
 */
export async function restoreAgent(request: RestoreRequest): Promise<void> {
  const { dir, backup, passphrase } = request;
  const parts = unpackBackup(backup);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const config = await configOf(request, parts.network);
  for (const [name, bytes] of sealedFiles(parts)) {
    await writeFile(path.join(dir, name), bytes, { flag: 'wx', mode: 0o600 }).catch((cause) => {
      throw new Failure('WRONG_STATE', `${name} is there already: restore into an empty folder`, {
        cause,
      });
    });
  }
  const keystore = await openKeystore(dir, passphrase);
  const { pinned } = parts;
  if (pinned !== null && keystore.macOf(pinned.record) !== pinned.mac) {
    throw new Failure('SIGNATURE_INVALID', 'the wallet record in the backup fails its MAC');
  }
  const journal = await createJournal(path.join(dir, JOURNAL_FOLDER));
  await journal.append(eventsOf(parts));
  await journal.close();
  await writeConfig(dir, config);
}

/**
 * Gives an agent its look at a Lightning node, or takes it away: in force at its next start.
 *
 * @throws Failure LND_UNREACHABLE when the node does not answer now, NETWORK_MISMATCH.
 */
export async function useLnd(dir: string, options: LndOptions | null): Promise<void> {
  const { lnd: _before, ...config } = await readConfig(dir);
  const lnd = await lndOf(options, config.network);
  await replaceConfig(dir, { ...config, ...(lnd !== null && { lnd }) });
}

/** What the new journal begins with: who this is, and that it may have forgotten what it signed. */
function eventsOf({ invited, keyRecord, pinned }: BackupParts): OwnEvent[] {
  const events: OwnEvent[] = [];
  if (invited !== null) events.push({ kind: 'invited', ...invited });
  if (keyRecord !== null) events.push({ kind: 'key-made', record: keyRecord });
  if (pinned !== null) events.push({ kind: 'pinned', ...pinned });
  const hash = pinned === null ? 'no wallet' : walletRecordHash(pinned.record).slice(0, 8);
  events.push({
    kind: 'automation',
    state: 'locked',
    why: `restored from a backup of ${hash}`,
    height: null,
    nonce: randomHex32(),
  });
  return events;
}

function sealedFiles(parts: BackupParts): [string, Uint8Array | string][] {
  const files: [string, Uint8Array | string | null][] = [
    ['signer.sealed', parts.signerSealed],
    ['approval.sealed', parts.approvalSealed],
    [OVERLAY_FILE, parts.overlay],
    [ADDRESS_BOOK_FILE, parts.addressBook],
  ];
  return files.flatMap(([name, bytes]): [string, Uint8Array | string][] =>
    bytes === null ? [] : [[name, bytes]],
  );
}

async function configOf(
  request: Pick<InitRequest, 'bitcoind' | 'lnd' | 'hook'>,
  network: NetworkName,
): Promise<AgentConfig> {
  const bitcoind = accessOf(request.bitcoind);
  if (bitcoind !== null) await requireNetwork(bitcoind, network);
  const lnd = await lndOf(request.lnd, network);
  return {
    schema: 'weir.agent-config/v1',
    network,
    ...(bitcoind !== null && { bitcoind }),
    ...(lnd !== null && { lnd }),
    birth_time: 0,
    ...(request.hook !== null && { hook: request.hook }),
    poll_ms: POLL_MS_DEFAULT,
  };
}

function accessOf(options: BitcoindOptions | null): BitcoindAccess | null {
  if (options === null) return null;
  const { url, user, passwordFile, cookieFile } = options;
  if (cookieFile !== undefined) return { url, cookie_file: path.resolve(cookieFile) };
  return { url, user: user ?? '', password_file: path.resolve(passwordFile ?? '') };
}

/** Found out now and not at the first proposal. */
async function requireNetwork(access: BitcoindAccess, network: NetworkName): Promise<void> {
  const { genesisHash } = await nodeIdentity(bitcoindRpc(await bitcoindAddress(access)));
  if (genesisHash === NETWORKS[network].genesisHash) return;
  throw new Failure('NETWORK_MISMATCH', `the node at ${access.url} is not on ${network}`);
}

/** The same of a Lightning node: asked once, with the very files that the agent will use. */
async function lndOf(
  options: LndOptions | null,
  network: NetworkName,
): Promise<AgentConfig['lnd'] | null> {
  if (options === null) return null;
  const { socket } = options;
  const certFile = path.resolve(options.certFile);
  const macaroonFile = path.resolve(options.macaroonFile);
  const { genesisHash } = await ownLnd({ socket, certFile, macaroonFile }).identity();
  if (genesisHash !== null && genesisHash !== NETWORKS[network].genesisHash) {
    throw new Failure('NETWORK_MISMATCH', `the Lightning node at ${socket} is not on ${network}`);
  }
  return { socket, cert_file: certFile, macaroon_file: macaroonFile };
}
