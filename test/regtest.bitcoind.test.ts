/** The private network itself, on real nodes: what every end-to-end test stands on. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { startBitcoind } from '../regtest/bitcoind.ts';
import {
  connect,
  fund,
  invalidateBlock,
  mine,
  minerAddress,
  partition,
  pay,
  reconsiderBlock,
  syncMempools,
  syncTips,
  tip,
} from '../regtest/network.ts';
import { RpcError } from '../regtest/rpc.ts';
import { bitcoindBinary, describeWithBitcoind, sharedNetwork } from './bitcoind-available.ts';

describeWithBitcoind('two bitcoinds on regtest', () => {
  const network = sharedNetwork();

  test('a block mined on one node is the tip of both', async () => {
    const { first, second } = network();
    const [mined] = await mine(network(), second, 1);
    expect(await syncTips(network())).toBe(mined);
    expect([await tip(first), await tip(second)]).toEqual([mined, mined]);
  });

  test('funding pays the address the exact amount, confirmed on both', async () => {
    const address = await minerAddress(network());
    const { txid, vout } = await fund(network(), address, '1.23456789');
    for (const node of [network().first, network().second]) {
      const coin = await node.rpc<{ value: string; confirmations: number }>('gettxout', [
        txid,
        vout,
      ]);
      expect(coin).toMatchObject({ value: '1.23456789', confirmations: 1 });
    }
  });

  test('an unconfirmed payment reaches the other node', async () => {
    const txid = await pay(network(), await minerAddress(network()), '0.1');
    expect(await syncMempools(network())).toContain(txid);
    expect(await network().second.rpc('getrawmempool')).toContain(txid);
  });

  test('after a partition the longer chain wins and the payment of the shorter is unconfirmed', async () => {
    const { first, second } = network();
    await partition(network());
    const txid = await pay(network(), await minerAddress(network()), '0.2');
    const [lost = ''] = await mine(network(), first, 1);
    const [, won] = await mine(network(), second, 2);
    expect(await tip(first)).toBe(lost);
    await connect(network());
    expect(await tip(first)).toBe(won);
    expect(await first.rpc('getblockheader', [lost])).toMatchObject({ confirmations: -1 });
    expect(await first.rpc('getrawmempool')).toContain(txid);
  });

  test('an invalidated block leaves one node only, and comes back', async () => {
    const { first, second } = network();
    const before = await tip(first);
    const [mined = ''] = await mine(network(), first, 1);
    await syncTips(network());
    await invalidateBlock(first, mined);
    expect([await tip(first), await tip(second)]).toEqual([before, mined]);
    await reconsiderBlock(first, mined);
    expect(await syncTips(network())).toBe(mined);
  });

  test.each(['stop', 'kill'] as const)(
    '%s and restart keep wallet, address and chain',
    async (end) => {
      const { first } = network();
      const { pid, rpcUrl } = first;
      await mine(network(), first, 1);
      const before = await syncTips(network());
      await first[end]();
      expect(first.pid).toBeNull();
      await first.restart();
      expect(first.pid).not.toBe(pid);
      expect(first.rpcUrl).toBe(rpcUrl);
      await connect(network());
      expect(await syncTips(network())).toBe(before);
      expect(await first.rpc('listwallets')).toContain('miner');
    },
  );

  test('a refusal carries the number of the node', async () => {
    const refusal = network().first.rpc('getblockhash', [999_999]);
    await expect(refusal).rejects.toThrow(RpcError);
    await expect(refusal).rejects.toMatchObject({ code: -8 });
  });

  test('bitcoind that cannot start says why', async () => {
    const start = startBitcoind({
      binary: bitcoindBinary(),
      dataDir: path.join(network().dir, 'wrong'),
      extraArgs: ['-nosuchflag=1'],
    });
    await expect(start).rejects.toThrow(/nosuchflag/);
  });

  test('the password is in the configuration, not among the words ps shows', async () => {
    const { pid, dataDir, rpcPassword } = network().first;
    expect(await readFile(path.join(dataDir, 'bitcoin.conf'), 'utf8')).toContain(rpcPassword);
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    expect(words).toContain(dataDir);
    expect(words).not.toContain(rpcPassword);
  });
});
