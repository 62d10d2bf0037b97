/**
 * Two coordinators with one key, for the attack that shows two logs: copies of the coordinator's folder, each
 * served by the coordinator's own process, and a relay on the invited port that lets each seat see one of them.
 */
import { once } from 'node:events';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import path from 'node:path';
import { ask } from '../coordinator/operator-client.ts';
import { REQUEST_HEADER } from '../coordinator/protocol.ts';
import { type Daemon, weirDaemon } from '../demo/weir-process.ts';
import type { World } from '../demo/world.ts';
import { freePorts } from '../regtest/free-ports.ts';
import type { Row } from './e2e-world.ts';

export interface Fork {
  dir: string;
  port: number;
  daemon: Daemon | null;
  start(): Promise<void>;
  rowOf(id: string): Promise<Row | undefined>;
}

/** A copy of the stopped coordinator's folder, on a port of its own. */
export async function forkOf(world: World, name: string): Promise<Fork> {
  const { coordinator } = world;
  const dir = path.join(world.dir, name);
  await cp(coordinator.dir, dir, { recursive: true });
  const { rpc: port } = await freePorts();
  const file = path.join(dir, 'config.yaml');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace(/^listen: .*$/m, `listen: 127.0.0.1:${port}`));
  const fork: Fork = {
    dir,
    port,
    daemon: null,
    async start() {
      const log = path.join(world.dir, `${name}.log`);
      fork.daemon = await weirDaemon(['coordinator', 'run', '--dir', dir], { log });
    },
    async rowOf(id) {
      const { json } = await ask({ dir }, (client) => client.proposals.query());
      const { proposals } = json as { proposals: Row[] };
      return proposals.find((row) => row.id === id);
    },
  };
  return fork;
}

export interface Relay {
  /** Which fork a seat sees; a seat without one gets no answer. */
  routes: Map<string, Fork>;
  close(): Promise<void>;
}

/** Serves where the invitations point to, and passes each seat's calls on to the fork it is to see. */
export async function relayAt(port: number): Promise<Relay> {
  const routes = new Map<string, Fork>();
  const server = createServer((incoming, answer) => {
    const fork = routes.get(seatOf(incoming));
    if (fork === undefined) {
      answer.writeHead(503).end();
      return;
    }
    const { method, url, headers } = incoming;
    const onward = httpRequest(
      { host: '127.0.0.1', port: fork.port, method, path: url, headers },
      (found) => {
        answer.writeHead(found.statusCode ?? 502, found.headers);
        found.pipe(answer);
      },
    );
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    routes,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Who signed the call, as its header says; whoever serves it checks. */
function seatOf({ headers }: IncomingMessage): string {
  const header = headers[REQUEST_HEADER];
  if (typeof header !== 'string') return '';
  const { body } = JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as {
    body: { seatId: string };
  };
  return body.seatId;
}
