/** A way to a port of loopback that a test can cut in the middle of a call. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface CuttableWay {
  port: number;
  /** Drops every connection that is open; new ones are let through. */
  cut(): void;
  stop(): Promise<void>;
}

export async function cuttableWay(to: number): Promise<CuttableWay> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1');
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far);
    far.pipe(near);
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it listens on no port');
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: address.port,
    cut,
    async stop() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
