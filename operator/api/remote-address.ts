/** Whose turn a request without a credential takes: its network address, as far as it can be believed. Pure. */
import { isIPv6 } from 'node:net';

/** One host has a whole /64 of IPv6 (RFC 6177): four groups name it. */
const GROUPS_OF_NETWORK = 4;
const GROUPS = 8;

/**
 * @param socket Address of the connection.
 * @param forwardedFor X-Forwarded-For as it came.
 * @param proxyHops Proxies of ours that append to it, one entry each: the oldest of these entries is the first
 *   proxy's word on who called it; everything before is whatever the caller wrote.
 */
export function remoteNetwork(
  socket: string | undefined,
  forwardedFor: string | null,
  proxyHops: number,
): string {
  const ours = proxyHops === 0 ? [] : (forwardedFor ?? '').split(',').slice(-proxyHops);
  const said = ours[0]?.trim() ?? '';
  const address = said === '' ? (socket ?? 'unknown') : said;
  if (!isIPv6(address) || address.includes('.')) return address.slice(0, 64);
  const [head = '', tail = ''] = (address.split('%')[0] ?? '').split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: GROUPS - before.length - after.length }, () => '0');
  return `${[...before, ...zeros, ...after].slice(0, GROUPS_OF_NETWORK).join(':')}::/64`;
}
