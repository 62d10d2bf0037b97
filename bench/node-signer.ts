/** bitcoind beside us: a node whose wallet holds one seat's key of the treasury. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  branchDescriptor,
  descriptorChecksum,
  type TreasuryDescriptor,
} from '../descriptors/descriptor.ts';
import { startBitcoind } from '../regtest/bitcoind.ts';
import { findBitcoind } from '../regtest/bitcoind-binary.ts';
import { accountOf } from '../test/treasury-scenario.ts';

const WALLET = 'one seat';
/** Between two questions the agent is measured, longer than a node keeps a connection by itself. */
const PATIENCE = '-rpcservertimeout=3600';

export interface NodeSigner {
  version: string;
  /** Signs a PSBT in base64 with the seat's key; gives it back in base64. */
  sign(psbt: string): Promise<string>;
  stop(): Promise<void>;
}

/** @returns null, having said why, where there is no bitcoind. */
export async function startNodeSigner(
  descriptor: TreasuryDescriptor,
  seatId: string,
  indexMax: number,
): Promise<NodeSigner | null> {
  const binary = await findBitcoind();
  if ('because' in binary) {
    process.stderr.write(`no bitcoind to compare with: ${binary.because}\n`);
    return null;
  }
  const dataDir = await mkdtemp(path.join(tmpdir(), 'bench-'));
  const node = await startBitcoind({ binary, dataDir, extraArgs: [PATIENCE] });
  const account = accountOf(seatId);
  await node.rpc('createwallet', [WALLET, false, true, null, false, true, false]);
  const requests = ([0, 1] as const).map((branch) => {
    const [text = ''] = branchDescriptor(descriptor, branch).split('#');
    const body = text.replace(account.publicExtendedKey, account.privateExtendedKey);
    return {
      desc: `${body}#${descriptorChecksum(body)}`,
      internal: branch === 1,
      active: true,
      range: [0, indexMax],
      timestamp: 'now',
    };
  });
  const made = await node.rpc<{ success: boolean }[]>('importdescriptors', [requests], WALLET);
  if (!made.every(({ success }) => success)) throw new Error(JSON.stringify(made));
  return {
    version: binary.version,
    async sign(psbt) {
      const options = [psbt, true, 'ALL', true, false];
      const signed = await node.rpc<{ psbt: string }>('walletprocesspsbt', options, WALLET);
      return signed.psbt;
    },
    async stop() {
      await node.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
