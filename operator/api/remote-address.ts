/** Whose turn a request without a credential takes: its network address, as far as it can be believed. Pure. */
import { isIPv6 } from 'node:net';

/** One host has a whole /64 of IPv6 (RFC 6177): four groups name it. */
const GROUPS_OF_NETWORK = 4;
const GROUPS = 8;

/**
 * @param socket Address of the connection.
 * @param forwardedFor X-Forwarded-For, when a proxy of ours appends to it: its last entry is the proxy's own
 *   word, everything before is whatever the caller wrote.
 */
export function remoteNetwork(socket: string | undefined, forwardedFor: string | null): string {
  const last = forwardedFor?.split(',').at(-1)?.trim();
  const address = last === undefined || last === '' ? (socket ?? 'unknown') : last;
  if (!isIPv6(address) || address.includes('.')) return address.slice(0, 64);
  const [head = '', tail = ''] = (address.split('%')[0] ?? '').split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: GROUPS - before.length - after.length }, () => '0');
  return `${[...before, ...zeros, ...after].slice(0, GROUPS_OF_NETWORK).join(':')}::/64`;
}
