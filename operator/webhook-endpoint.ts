/**
 * One webhook, sent once: signed as Standard Webhooks wants it, over https to a public address or over http to
 * this machine. An answer is read for its status only, and a redirect is no delivery.
 */
import { type LookupAddress, type LookupAllOptions, lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { Agent, request } from 'undici';
import { Failure } from '../policies/failure.ts';
import type { Event } from './protocol.ts';

export interface WebhookEndpoint {
  url: string;
  /** `whsec_` and base64 of 24 to 64 bytes. */
  secret: string;
}

/** `gone`: the endpoint answered 410 and wants no more. */
export type Delivery = 'delivered' | 'gone' | 'failed';

const SEND_MS_MAX = 10_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const CONNECTIONS_MAX = 4;
const SECRET = /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/;
const LOCAL_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Addresses that are nobody's public server (RFC 6890): a webhook must not reach into the operator's network. */
const NOT_PUBLIC = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, 'ipv4');
}
for (const [network, bits] of [
  ['::', 96],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, 'ipv6');
}

/** @throws Failure INPUT_INVALID for an address or a secret that is not allowed. */
export function checkEndpoint({ url, secret }: WebhookEndpoint): void {
  const { protocol, hostname, username } = new URL(url);
  const literal = hostname.replaceAll(/[[\]]/g, '');
  const local = LOCAL_HOSTS.has(hostname);
  if (protocol !== 'https:' && !(protocol === 'http:' && local)) {
    throw new Failure('INPUT_INVALID', `webhook ${hostname}: https, or http to this machine`);
  }
  if (!local && isIP(literal) !== 0 && !isPublic(literal)) {
    throw new Failure('INPUT_INVALID', `webhook ${hostname}: not a public address`);
  }
  if (username !== '') throw new Failure('INPUT_INVALID', 'a webhook address holds no user');
  if (!SECRET.test(secret)) {
    throw new Failure('INPUT_INVALID', `webhook ${hostname}: its secret must be whsec_ and base64`);
  }
}

export function isPublic(address: string): boolean {
  return !NOT_PUBLIC.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** How the system finds every address of a name. */
export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (problem: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** Names are judged when they are connected to, so that an answer of DNS cannot change in between. */
export function publicLookup(resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (problem, addresses) => {
      const first = problem === null ? addresses[0] : undefined;
      if (first === undefined) callback(problem ?? new Error('the name has no address'), '', 0);
      else if (!addresses.every(({ address }) => isPublic(address))) {
        callback(new Error('the name leads to an address that is not public'), '', 0);
      } else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

const publicOnly = new Agent({
  connections: CONNECTIONS_MAX,
  maxResponseSize: ANSWER_BYTES_MAX,
  connect: { lookup: publicLookup(systemLookup) },
});
const toThisMachine = new Agent({
  connections: CONNECTIONS_MAX,
  maxResponseSize: ANSWER_BYTES_MAX,
});

/** The same event has the same id at every try, so that a receiver knows it again. */
export async function deliver(
  event: Event,
  { url, secret }: WebhookEndpoint,
  nowMs: number,
): Promise<Delivery> {
  const id = `evt_${event.seq}`;
  const at = new Date(nowMs);
  const payload = JSON.stringify({
    type: event.kind,
    timestamp: new Date(event.at_ms).toISOString(),
    data: event,
  });
  try {
    const { statusCode, body } = await request(url, {
      method: 'POST',
      dispatcher: LOCAL_HOSTS.has(new URL(url).hostname) ? toThisMachine : publicOnly,
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': Math.floor(nowMs / 1_000).toString(),
        'webhook-signature': new Webhook(secret).sign(id, at, payload),
      },
      body: payload,
      signal: AbortSignal.timeout(SEND_MS_MAX),
    });
    await body.dump({ limit: ANSWER_BYTES_MAX });
    if (statusCode === 410) return 'gone';
    return statusCode >= 200 && statusCode < 300 ? 'delivered' : 'failed';
  } catch {
    // Whatever went wrong on the way, the event is in the feed and is tried again.
    return 'failed';
  }
}
