/** The operator's hands on LND: each port with the macaroon of its role and no other. */
import path from 'node:path';
import { Failure } from '../../../policies/failure.ts';
import type { NetworkName } from '../../../policies/intent.ts';
import type { ChannelManager, NodeReader, Payer, Receiver } from '../../lightning.ts';
import { openChannelManager } from './channel-manager.ts';
import { connectLnd, type LndConnection } from './connect.ts';
import type { Role } from './macaroons.ts';
import { openPayer } from './payer.ts';
import { openReader } from './reader.ts';
import { openReceiver } from './receiver.ts';

export interface LndRoles {
  reader: NodeReader;
  payer: Payer;
  receiver: Receiver;
  manager: ChannelManager;
  /** Ends every call and every stream. */
  close(): void;
}

/** Roles that this process holds; a guardian's agent has its own. */
const HELD = ['reader', 'quoter', 'payer', 'receiver', 'channels', 'closer', 'backup'] as const;

/**
 * Connects at the first call of each role.
 *
 * @param of `macaroons`: the folder that `weir operator keys bake` made
 * @throws Failure KEY_MISSING for a file that is not there
 */
export async function lndRoles(of: {
  socket: string;
  certPath: string;
  macaroons: string;
  network: NetworkName;
}): Promise<LndRoles> {
  const { socket, certPath, macaroons, network } = of;
  const opened = await Promise.all(
    HELD.map(async (role) => {
      const macaroonPath = path.join(macaroons, `${role}.macaroon`);
      return [role, await connectLnd({ socket, certPath, macaroonPath })] as const;
    }),
  );
  const by = Object.fromEntries(opened) as Record<Exclude<Role, 'agent'>, LndConnection>;
  return {
    reader: onNetwork(openReader(by.reader), network),
    payer: openPayer(by.payer, by.quoter),
    receiver: openReceiver(by.receiver),
    manager: openChannelManager(by),
    close() {
      for (const [, connection] of opened) connection.close();
    },
  };
}

/** A node that was put in place of ours on another chain is found at the first look. */
function onNetwork(reader: NodeReader, network: NetworkName): NodeReader {
  return {
    ...reader,
    async standing() {
      const standing = await reader.standing();
      if (standing.network === network) return standing;
      throw new Failure('NETWORK_MISMATCH', `the Lightning node is on ${standing.network}`);
    },
  };
}
