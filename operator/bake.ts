/** Macaroons of least privilege, one file per role. The admin macaroon is read once and kept nowhere. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { NetworkName } from '../policies/intent.ts';
import { connectLnd } from './adapters/lnd/connect.ts';
import { bakeMacaroons } from './adapters/lnd/macaroons.ts';
import { walletDescriptor } from './adapters/lnd/wallet-descriptor.ts';

export interface Baked {
  /** File of each role. */
  macaroons: Record<string, string>;
  /** Of LND's own wallet: what the treasury's policy lists as hot. */
  walletDescriptor: string;
}

/** @throws Failure LND_UNREACHABLE, also for a macaroon that may not bake */
export async function bakeIntoFolder(of: {
  socket: string;
  certPath: string;
  macaroonPath: string;
  network: NetworkName;
  out: string;
}): Promise<Baked> {
  const connection = await connectLnd(of);
  try {
    const baked = await bakeMacaroons(connection);
    await mkdir(of.out, { recursive: true, mode: 0o700 });
    const macaroons: Record<string, string> = {};
    for (const [role, macaroon] of Object.entries(baked)) {
      const file = path.join(of.out, `${role}.macaroon`);
      await writeFile(file, Buffer.from(macaroon, 'base64'), { mode: 0o600 });
      macaroons[role] = file;
    }
    return { macaroons, walletDescriptor: await walletDescriptor(connection, of.network) };
  } finally {
    connection.close();
  }
}
