/**
 * An LND without a node behind it: a gRPC server of ln-service's own protos that says what a test scripts, so that
 * real ln-service meets what a real node will not do on demand. It keeps what arrives and lints it.
 */
import type { EventEmitter } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { lintRequest, type Message } from '../operator/adapters/lnd/request-lint.ts';
import { selfSigned } from './self-signed.ts';
import { cuttableWay } from './tcp-cut.ts';

export type { Message } from '../operator/adapters/lnd/request-lint.ts';

/** One call as a script sees it. Nothing said is a call that hangs. */
export interface ScriptedCall {
  /** What was sent; of a dialogue, `{}`. */
  message: Message;
  /** A unary call's answer, or one word of a stream. */
  send(word: object): void;
  /** Ends a stream. */
  end(): void;
  /** Ends it with a gRPC status. */
  fail(code: number, details: string): void;
  /** Of a dialogue: what the other side says. */
  onWord(listener: (word: Message) => void): void;
  /** Whether the other side gave it up, and when it does. */
  isCancelled(): boolean;
  onCancelled(listener: () => void): void;
}

export type Script = (call: ScriptedCall) => void;

export interface ScriptedLnd {
  /** `localhost:PORT`. */
  socket: string;
  certPath: string;
  macaroon: string;
  /** What the method does from now on, by its path. */
  on(method: string, script: Script): void;
  /** What arrived at a method, oldest first. */
  requests(method: string): readonly Message[];
  /** What arrived and should never have been sent. */
  lint: readonly string[];
  /** Calls that are open, by path. */
  open(method: string): number;
  /** Drops every connection. */
  cut(): void;
  stop(): Promise<void>;
}

const PROTOS = ['lightning', 'router', 'invoices', 'chainnotifier', 'walletkit', 'wtclient'];
/** The same as ln-service's, so that both sides name fields alike. */
const LOADING = { defaults: true, enums: String, keepCase: true, longs: String, oneofs: true };
const UNIMPLEMENTED = 12;

/** Names of methods as gRPC has them, for tests to read. */
export const METHOD = {
  send: '/routerrpc.Router/SendPaymentV2',
  track: '/routerrpc.Router/TrackPaymentV2',
  list: '/lnrpc.Lightning/ListPayments',
  info: '/lnrpc.Lightning/GetInfo',
  blocks: '/chainrpc.ChainNotifier/RegisterBlockEpochNtfn',
  routes: '/lnrpc.Lightning/QueryRoutes',
  addInvoice: '/lnrpc.Lightning/AddInvoice',
  lookupInvoice: '/lnrpc.Lightning/LookupInvoice',
  invoices: '/lnrpc.Lightning/SubscribeInvoices',
  cancelInvoice: '/invoicesrpc.Invoices/CancelInvoice',
  openChannel: '/lnrpc.Lightning/OpenChannel',
  funding: '/lnrpc.Lightning/FundingStateStep',
  close: '/lnrpc.Lightning/CloseChannel',
  acceptor: '/lnrpc.Lightning/ChannelAcceptor',
  channels: '/lnrpc.Lightning/ListChannels',
  forwards: '/lnrpc.Lightning/ForwardingHistory',
  pending: '/lnrpc.Lightning/PendingChannels',
  verifyBackup: '/lnrpc.Lightning/VerifyChanBackup',
} as const;

/** Started on a free port, with a certificate of its own; nothing is scripted yet. */
export async function startScriptedLnd(): Promise<ScriptedLnd> {
  const dir = await mkdtemp(path.join(tmpdir(), 'scripted-lnd-'));
  const certPath = path.join(dir, 'tls.cert');
  const { cert, key } = selfSigned();
  await writeFile(certPath, cert);
  const state: State = { scripts: new Map(), requests: [], lint: [], open: new Map() };
  const server = new Server();
  for (const service of services()) server.addService(service, implementation(service, state));
  const pair = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) };
  const port = await bound(server, ServerCredentials.createSsl(null, [pair]));
  const way = await cuttableWay(port);
  return {
    socket: `localhost:${way.port}`,
    certPath,
    macaroon: '00',
    on: (method, script) => void state.scripts.set(method, script),
    requests: (method) =>
      state.requests.filter((each) => each.method === method).map(({ message }) => message),
    lint: state.lint,
    open: (method) => state.open.get(method) ?? 0,
    cut: () => way.cut(),
    async stop() {
      server.forceShutdown();
      await way.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

interface State {
  scripts: Map<string, Script>;
  requests: { method: string; message: Message }[];
  lint: string[];
  open: Map<string, number>;
}

type Service = Parameters<Server['addService']>[0];

function services(): Service[] {
  const here = createRequire(import.meta.url);
  const library = createRequire(here.resolve('ln-service'));
  const folder = path.join(path.dirname(library.resolve('lightning')), 'grpc', 'protos');
  const files = PROTOS.map((name) => path.join(folder, `${name}.proto`));
  const tree: unknown = loadPackageDefinition(loadSync(files, LOADING));
  return servicesIn(tree);
}

/** Packages hold services, whatever they are called. */
function servicesIn(tree: unknown): Service[] {
  if (typeof tree === 'function' && 'service' in tree) return [tree.service as Service];
  if (typeof tree !== 'object' || tree === null) return [];
  return Object.values(tree).flatMap(servicesIn);
}

function implementation(service: Service, state: State): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.values(service).map((method) => [
      method.originalName ?? '',
      (call: AnyCall, done?: Done) => handle(method.path, call, done, state),
    ]),
  ) as UntypedServiceImplementation;
}

/** What gRPC gives a handler, whichever of the four kinds its method is. */
interface AnyCall extends EventEmitter {
  request?: Message;
  cancelled: boolean;
  write?(word: object): boolean;
  end?(): void;
}

/** Of a method with one answer. */
type Done = (cause: object | null, word?: object) => void;

function handle(method: string, call: AnyCall, done: Done | undefined, state: State): void {
  const message = call.request ?? {};
  state.requests.push({ method, message });
  state.lint.push(...lintRequest(method, message).map((problem) => `${method} ${problem}`));
  state.open.set(method, (state.open.get(method) ?? 0) + 1);
  let isOver = false;
  const over = (): void => {
    if (!isOver) state.open.set(method, (state.open.get(method) ?? 1) - 1);
    isOver = true;
  };
  const fail = (code: number, details: string): void => {
    over();
    if (done === undefined) call.emit('error', { code, details });
    else done({ code, details });
  };
  call.on('cancelled', over);
  const script = state.scripts.get(method);
  if (script === undefined) return fail(UNIMPLEMENTED, `${method} is not scripted`);
  script({
    message,
    send(word) {
      if (done !== undefined) {
        over();
        done(null, word);
      } else call.write?.(word);
    },
    end() {
      over();
      call.end?.();
    },
    fail,
    onWord: (listener) => void call.on('data', listener),
    isCancelled: () => call.cancelled,
    onCancelled: (listener) => void call.on('cancelled', listener),
  });
}

function bound(server: Server, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (cause, port) => {
      if (cause === null) resolve(port);
      else reject(cause);
    });
  });
}
