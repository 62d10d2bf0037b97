/** `weir operator init`: keys, config, policy and the journal's first entry, in a folder of its own. */
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createJournal } from '../journal/level-journal.ts';
import { Failure } from '../policies/failure.ts';
import { connectLnd } from './adapters/lnd/connect.ts';
import { openReader } from './adapters/lnd/reader.ts';
import { configText, FILES, type OperatorConfig } from './config.ts';
import { openEngine } from './engine.ts';
import { readPolicyFile } from './policy-file.ts';
import { makePoolKeys } from './pool-keys.ts';

export interface InitOptions {
  dir: string;
  config: OperatorConfig;
  policyFile: string;
  passphrase: string;
}

export interface InitResult {
  poolId: string;
  receiptKey: string;
  /** What the treasury's policy names as `attested_by`. */
  wordKey: string;
  nodeKey: string;
}

/**
 * Makes an operator's folder.
 *
 * @throws Failure WRONG_STATE for a folder that holds something, POLICY_INVALID, NETWORK_MISMATCH for a node of
 *   another network, LND_UNREACHABLE
 */
export async function initOperator(options: InitOptions): Promise<InitResult> {
  const { dir, config, policyFile, passphrase } = options;
  const policy = await readPolicyFile(policyFile);
  if (policy.network !== config.network || policy.poolId !== config.pool_id) {
    throw new Failure('INPUT_INVALID', `the policy is of ${policy.poolId} on ${policy.network}`);
  }
  const nodeKey = await nodeKeyOf(config);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if ((await readdir(dir)).length > 0) {
    throw new Failure('WRONG_STATE', `${dir} is not empty: an operator has a folder of its own`);
  }
  const keys = await makePoolKeys(dir, passphrase);
  await copyFile(policyFile, path.join(dir, FILES.policy));
  await mkdir(path.join(dir, FILES.backups), { mode: 0o700 });
  const journal = await createJournal(path.join(dir, FILES.journal));
  const engine = await openEngine({ journal, now: () => Date.now(), onFatal: () => undefined });
  const event = {
    kind: 'pool-opened' as const,
    poolId: config.pool_id,
    network: config.network,
    receiptKey: keys.receiptsPublic,
    nodeKey,
  };
  await engine.act(() => ({ news: [{ event, entry: null, receipt: null }], answer: null }));
  await engine.close();
  // Last: without it nothing runs, so a folder that init did not finish is never taken for a whole one.
  await writeFile(path.join(dir, FILES.config), configText(config), { mode: 0o600, flag: 'wx' });
  return {
    poolId: config.pool_id,
    receiptKey: keys.receiptsPublic,
    wordKey: keys.wordPublic,
    nodeKey,
  };
}

async function nodeKeyOf({ lnd, network }: OperatorConfig): Promise<string> {
  const connection = await connectLnd({
    socket: lnd.socket,
    certPath: lnd.cert_file,
    macaroonPath: path.join(lnd.macaroons, 'reader.macaroon'),
  });
  try {
    const standing = await openReader(connection).standing();
    if (standing.network !== network) {
      throw new Failure('NETWORK_MISMATCH', `this node is on ${standing.network}`);
    }
    return standing.publicKey;
  } finally {
    connection.close();
  }
}
