/** The small parts that bound a stranger: buckets, remembered ids, addresses. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { remoteNetwork } from '../operator/api/remote-address.ts';
import { openRateLimit } from '../operator/auth/rate-limit.ts';
import { openSeenIds } from '../operator/auth/seen-ids.ts';
import { checkedConfig, proxyHopsOf } from '../operator/config.ts';

test('no agent is admitted more often than its rate and one burst', () => {
  const perMinute = fc.integer({ min: 1, max: 5_000 });
  const waits = fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 300 });
  fc.assert(
    fc.property(perMinute, waits, (rate, pauses) => {
      const limit = openRateLimit(10);
      let now = 1_000;
      let admitted = 0;
      for (const pause of pauses) {
        now += pause;
        if (limit.take('a', rate, now) === 0) admitted += 1;
      }
      const burst = Math.max(1, Math.floor(rate / 4));
      expect(admitted).toBeLessThanOrEqual(burst + ((now - 1_000) * rate) / 60_000 + 1e-9);
    }),
  );
});

test('who waits as long as it was told is admitted, and not a millisecond before', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.integer({ min: 0, max: 500 }),
      (rate, later) => {
        const limit = openRateLimit(10);
        let wait = 0;
        for (let n = 0; wait === 0; n += 1) wait = limit.take('a', rate, later);
        expect(limit.wait('a', rate, later + wait - 1)).toBe(1);
        expect(limit.take('a', rate, later + wait)).toBe(0);
      },
    ),
  );
});

test('one bucket takes nothing from another, and too many forget the one used least', () => {
  const limit = openRateLimit(2);
  expect(limit.take('a', 1, 0)).toBe(0);
  expect(limit.take('a', 1, 0)).toBe(60_000);
  expect(limit.take('b', 1, 0)).toBe(0);
  expect(limit.take('c', 1, 0)).toBe(0);
  expect(limit.wait('b', 1, 0)).toBe(60_000);
  expect(limit.wait('a', 1, 0)).toBe(0);
});

test('an id is new once, forgotten when its time is over, and none is admitted beyond the bound', () => {
  const seen = openSeenIds(2);
  expect(seen.take('a', 100, 0)).toBe('new');
  expect(seen.take('a', 100, 50)).toBe('seen');
  expect(seen.take('b', 200, 50)).toBe('new');
  expect(seen.take('c', 300, 50)).toBe('full');
  expect(seen.take('a', 100, 100)).toBe('seen');
  expect(seen.take('c', 300, 101)).toBe('new');
});

test.each<[string, string | undefined, string | null, number, string]>([
  ['an address', '203.0.113.7', null, 0, '203.0.113.7'],
  ['no connection', undefined, null, 0, 'unknown'],
  ['a caller that claims a proxy we do not have', '203.0.113.7', '1.1.1.1', 0, '203.0.113.7'],
  ['a proxy of ours', '127.0.0.1', '198.51.100.1', 1, '198.51.100.1'],
  ['a caller that invents proxies', '127.0.0.1', '1.1.1.1, 198.51.100.1', 1, '198.51.100.1'],
  ['two proxies of ours', '127.0.0.1', '198.51.100.1, 10.0.0.2', 2, '198.51.100.1'],
  ['inventions before two', '127.0.0.1', '1.1.1.1, 198.51.100.1, 10.0.0.2', 2, '198.51.100.1'],
  ['one of two left out', '127.0.0.1', '198.51.100.1', 2, '198.51.100.1'],
  ['a proxy that says nothing', '127.0.0.1', '', 1, '127.0.0.1'],
  ['a proxy without the header', '127.0.0.1', null, 1, '127.0.0.1'],
  ['IPv4 written as IPv6', '::ffff:203.0.113.7', null, 0, '::ffff:203.0.113.7'],
  ['one of a network', '2001:db8:1:2:3:4:5:6', null, 0, '2001:db8:1:2::/64'],
  ['another of it, written short', '2001:db8:1:2::9', null, 0, '2001:db8:1:2::/64'],
  ['zeros in the network', '2001:db8::9', null, 0, '2001:db8:0:0::/64'],
  ['a zone', 'fe80::1%eth0', null, 0, 'fe80:0:0:0::/64'],
])('%s takes one turn', (...row) => {
  const [, socket, forwarded, proxyHops, network] = row;
  expect(remoteNetwork(socket, forwarded, proxyHops)).toBe(network);
});

test.each([
  ['absent', undefined, 0],
  ['none', '0', 0],
  ['the most', '5', 5],
])('proxy_hops of a config, %s', (_, written, hops) => {
  expect(proxyHopsOf(checkedConfig(configWith(written)))).toBe(hops);
});

test.each(['6', '-1', '1.5', 'yes', ''])('proxy_hops %o is refused by name', (written) => {
  expect(() => checkedConfig(configWith(written))).toThrow(/proxy_hops: must be 0 to 5/);
});

function configWith(proxyHops: string | undefined): unknown {
  return {
    schema: 'weir.operator/v1',
    network: 'regtest',
    pool_id: 'harbour',
    listen: '127.0.0.1:1',
    url: 'http://127.0.0.1:1',
    lnd: { socket: 'localhost:2', cert_file: 'tls.cert', macaroons: 'macaroons' },
    ...(proxyHops === undefined ? {} : { proxy_hops: proxyHops }),
  };
}
