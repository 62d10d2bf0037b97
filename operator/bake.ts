/** Macaroons of least privilege, one file per role. The admin macaroon is read once and kept nowhere. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { connectLnd } from './adapters/lnd/connect.ts';
import { bakeMacaroons } from './adapters/lnd/macaroons.ts';

export async function bakeIntoFolder(of: {
  socket: string;
  certPath: string;
  macaroonPath: string;
  out: string;
}): Promise<Record<string, string>> {
  const connection = await connectLnd(of);
  try {
    const baked = await bakeMacaroons(connection);
    await mkdir(of.out, { recursive: true, mode: 0o700 });
    const files: Record<string, string> = {};
    for (const [role, macaroon] of Object.entries(baked)) {
      const file = path.join(of.out, `${role}.macaroon`);
      await writeFile(file, Buffer.from(macaroon, 'base64'), { mode: 0o600 });
      files[role] = file;
    }
    return files;
  } finally {
    connection.close();
  }
}
