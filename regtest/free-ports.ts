/** Ports that the system says are free right now; who takes them must be ready to ask again. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';

export interface NodePorts {
  p2p: number;
  rpc: number;
  zmqRawBlock: number;
  zmqRawTx: number;
}

/** Four different ones: all are held before the first is let go. */
export async function freePorts(): Promise<NodePorts> {
  const servers = Array.from({ length: 4 }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const [p2p = 0, rpc = 0, zmqRawBlock = 0, zmqRawTx = 0] = servers.map(
    (server) => (server.address() as AddressInfo).port,
  );
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return { p2p, rpc, zmqRawBlock, zmqRawTx };
}
