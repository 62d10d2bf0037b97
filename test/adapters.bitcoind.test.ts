/** Both processes' views of the chain, on two real nodes: the coordinator's on one, an agent's on the other. */
import { expect, test } from 'vitest';
import { bitcoindChain } from '../coordinator/adapters/bitcoind.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { feerate } from '../policies/units.ts';
import type { Bitcoind } from '../regtest/bitcoind.ts';
import {
  connect,
  fund,
  mine,
  minerAddress,
  partition,
  pay,
  syncMempools,
  syncTips,
} from '../regtest/network.ts';
import { ownBitcoind } from '../signer-agent/adapters/bitcoind.ts';
import { describeWithBitcoind, sharedNetwork } from './bitcoind-available.ts';
import { type BitcoindTreasury, bitcoindTreasury } from './bitcoind-treasury.ts';

function addressOf(node: Bitcoind) {
  return { url: node.rpcUrl, auth: { user: node.rpcUser, password: node.rpcPassword } };
}

const chainOf = (node: Bitcoind, wallet: string) =>
  bitcoindChain({
    address: addressOf(node),
    wallet,
    birthTime: 0,
    fallbackFeerate: feerate(2_000n),
  });

describeWithBitcoind('the chain through bitcoind', () => {
  const network = sharedNetwork();
  let made = 0;

  /** A new treasury, watched by a coordinator on the first node and by an agent on the second. */
  async function watched() {
    made += 1;
    const name = `treasury ${made}`;
    const { first, second } = network();
    const treasury = await bitcoindTreasury(first, name);
    const chain = chainOf(first, `${name} coordinator`);
    const own = ownBitcoind({ address: addressOf(second), wallet: `${name} agent`, birthTime: 0 });
    await Promise.all([chain.watch(treasury.branches), own.watch(treasury.branches)]);
    return { name, treasury, chain, own };
  }

  async function mineOnFirst(count: number): Promise<string> {
    await syncMempools(network());
    await mine(network(), network().first, count);
    return syncTips(network());
  }

  const deposit = (treasury: BitcoindTreasury, amount: string, index = 0) =>
    fund(network(), treasury.address(0, index), amount);

  test('says which network it is on', async () => {
    const { first, second } = network();
    const own = ownBitcoind({ address: addressOf(second), wallet: 'unused', birthTime: 0 });
    for (const asked of [chainOf(first, 'unused'), own]) {
      const { genesisHash, tipHeight, version } = await asked.identity();
      expect(genesisHash).toBe(NETWORKS.regtest.genesisHash);
      expect(tipHeight).toBeGreaterThan(100);
      expect(version).toMatch(/^\/Satoshi:/);
    }
  });

  test('a coin is seen by both, exactly, at its place and with its age', async () => {
    const { treasury, chain, own } = await watched();
    const { txid, vout } = await deposit(treasury, '0.12345678', 7);
    const outpoint = `${txid}:${vout}`;
    const script = treasury.script(0, 7);
    const expected = { outpoint, amountSat: 12_345_678n, script, branch: 0, index: 7 };
    const view = await chain.view();
    expect(view.coins).toEqual([{ ...expected, confirmations: 1, coinbase: 'ordinary' }]);
    expect(view).toMatchObject({ sync: 'synced', spends: [], changeIndexUsed: -1 });
    expect(await own.coins()).toMatchObject([{ ...expected, confirmations: 1 }]);
    const seen = await own.view([outpoint, `${'00'.repeat(32)}:0`]);
    expect([...seen.coins]).toEqual([
      [outpoint, { amountSat: 12_345_678n, script, confirmations: 1, coinbase: 'ordinary' }],
    ]);
    expect(seen).toMatchObject({ treasurySat: 12_345_678n, reorgDepth: 0, sync: 'synced' });
    expect([seen.tipHeight, seen.tipHash]).toEqual([view.tipHeight, view.tipHash]);
  });

  test('a fee estimate is the configured one where the node has none', async () => {
    const { chain, own } = await watched();
    expect((await chain.view()).estimate).toBe(2_000n);
    expect((await own.view([])).estimate).toBeNull();
  });

  test('an unconfirmed payment of a stranger is a coin without age and no part of the treasury yet', async () => {
    const { treasury, chain, own } = await watched();
    await pay(network(), treasury.address(0, 0), '0.5');
    await syncMempools(network());
    expect((await chain.view()).coins).toMatchObject([
      { amountSat: 50_000_000n, confirmations: 0 },
    ]);
    expect((await own.view([])).treasurySat).toBe(0n);
    expect(await own.coins()).toMatchObject([{ confirmations: 0, safety: 'unsafe' }]);
    await mineOnFirst(1);
    expect((await own.view([])).treasurySat).toBe(50_000_000n);
  });

  test('a coinbase is named one and is no coin before it is mature', async () => {
    const { treasury, chain, own } = await watched();
    const [blockHash = ''] = await mine(network(), network().first, 1, treasury.address(0, 0));
    await syncTips(network());
    const { tx } = await network().first.rpc<{ tx: string[] }>('getblock', [blockHash]);
    const outpoint = `${tx[0]}:0`;
    expect((await chain.view()).coins).toEqual([]);
    expect((await own.view([outpoint])).coins.get(outpoint)).toMatchObject({
      coinbase: 'coinbase',
      confirmations: 1,
    });
    await mineOnFirst(100);
    expect((await chain.view()).coins).toMatchObject([{ outpoint, coinbase: 'coinbase' }]);
  });

  test('a spend is seen in the mempool, then in its block, with its change counted as used', async () => {
    const { treasury, chain, own } = await watched();
    const { txid: funding, vout } = await deposit(treasury, '1');
    const stranger = await minerAddress(network());
    const txid = await treasury.spend({ [stranger]: '0.3' });
    await syncMempools(network());
    const outpoints = [`${funding}:${vout}`];
    const view = await chain.view();
    expect(view.spends).toEqual([{ txid, height: null, blockHash: null, outpoints }]);
    expect(view.coins).toMatchObject([{ branch: 1, index: 0, confirmations: 0 }]);
    expect(view.changeIndexUsed).toBe(0);
    expect((await chain.confirmedCoins(outpoints)).get(outpoints[0] ?? '')).toMatchObject({
      amountSat: 100_000_000n,
    });
    const seen = await own.view(outpoints);
    expect(seen.spends).toEqual([{ txid, height: null, outpoints }]);
    expect(seen.coins.size).toBe(0);
    expect(seen).toMatchObject({ changeIndexUsed: 0, paidScripts: new Set() });
    expect(seen.treasurySat).toBeGreaterThan(69_900_000n);

    const blockHash = await mineOnFirst(1);
    const height = view.tipHeight + 1;
    expect((await chain.view()).spends).toEqual([{ txid, height, blockHash, outpoints }]);
    expect((await chain.confirmedCoins(outpoints)).size).toBe(0);
    const { scriptPubKey } = await network().first.rpc<{ scriptPubKey: string }>(
      'getaddressinfo',
      [stranger],
      'miner',
    );
    const after = await own.view(outpoints);
    expect(after.spends).toEqual([{ txid, height, outpoints }]);
    expect(after.paidScripts).toEqual(new Set([scriptPubKey]));
  });

  test('a spend that pays nobody else is seen, too', async () => {
    const { treasury, chain, own } = await watched();
    await deposit(treasury, '0.4');
    const txid = await treasury.spend(
      { [treasury.address(1, 3)]: '0.4' },
      { subtract_fee_from_outputs: [0] },
    );
    await syncMempools(network());
    expect((await chain.view()).spends).toMatchObject([{ txid }]);
    expect((await own.view([])).spends).toMatchObject([{ txid }]);
    expect((await own.view([])).changeIndexUsed).toBe(3);
  });

  test('a payment to a far change address neither pushes the change index nor is overlooked', async () => {
    const { treasury, chain, own } = await watched();
    await fund(network(), treasury.address(1, 900), '0.2');
    expect((await chain.view()).changeIndexUsed).toBe(-1);
    expect((await own.view([])).changeIndexUsed).toBe(-1);
    expect(await own.coins()).toMatchObject([{ branch: 1, index: 900 }]);
  });

  test('a replaced spend is gone, its replacement is there', async () => {
    const { treasury, chain, own } = await watched();
    await deposit(treasury, '1');
    const replaced = await treasury.spend({ [await minerAddress(network())]: '0.3' });
    await syncMempools(network());
    expect((await chain.view()).spends).toMatchObject([{ txid: replaced }]);
    const { txid } = await network().first.rpc<{ txid: string }>(
      'bumpfee',
      [replaced],
      treasury.wallet,
    );
    await syncMempools(network());
    expect((await chain.view()).spends).toMatchObject([{ txid, height: null }]);
    expect((await own.view([])).spends).toMatchObject([{ txid, height: null }]);
    await mineOnFirst(1);
    expect((await own.view([])).spends).toMatchObject([{ txid, height: expect.any(Number) }]);
  });

  test('a block taken back takes its spend back to the mempool, and the agent knows how deep', async () => {
    const { treasury, chain, own } = await watched();
    const { first, second } = network();
    await deposit(treasury, '1');
    const before = await own.view([]);
    await partition(network());
    const txid = await treasury.spend({ [await minerAddress(network())]: '0.3' });
    await mine(network(), first, 2);
    expect((await chain.view()).spends).toMatchObject([{ txid, height: before.tipHeight + 1 }]);
    await mine(network(), second, 3);
    await connect(network());
    const view = await chain.view();
    expect(view.spends).toMatchObject([{ txid, height: null, blockHash: null }]);
    expect(view.tipHeight).toBe(before.tipHeight + 3);
    const onFirst = ownBitcoind({ address: addressOf(first), wallet: 'reorg agent', birthTime: 0 });
    await onFirst.watch(treasury.branches);
    expect((await onFirst.view([])).reorgDepth).toBe(2);
    // The other node never followed the shorter branch.
    expect((await own.view([])).reorgDepth).toBe(before.reorgDepth);
  });

  test('a spend whose coin another one took in a block is no spend any more', async () => {
    const { treasury, chain } = await watched();
    const { first, second } = network();
    const { txid: funding, vout } = await deposit(treasury, '1');
    const rival = await treasury.signed({ [await minerAddress(network())]: '0.7' });
    await partition(network());
    const txid = await treasury.spend({ [await minerAddress(network())]: '0.3' });
    await mine(network(), first, 1);
    expect((await chain.view()).spends).toMatchObject([{ txid }]);
    const rivalTxid = await second.rpc<string>('sendrawtransaction', [rival]);
    await mine(network(), second, 2);
    await connect(network());
    expect((await chain.view()).spends).toMatchObject([
      { txid: rivalTxid, height: expect.any(Number), outpoints: [`${funding}:${vout}`] },
    ]);
  });

  test('what is buried is remembered and not counted twice', async () => {
    const { name, treasury, chain } = await watched();
    await deposit(treasury, '1');
    const old = await treasury.spend({ [await minerAddress(network())]: '0.1' });
    await mineOnFirst(1);
    await chain.view();
    for (const blocks of [98, 1, 1, 1]) {
      await mineOnFirst(blocks);
      expect((await chain.view()).spends).toMatchObject([{ txid: old }]);
    }
    const young = await treasury.spend({ [await minerAddress(network())]: '0.1' });
    await mineOnFirst(1);
    const { spends, changeIndexUsed } = await chain.view();
    expect(spends).toMatchObject([{ txid: old }, { txid: young }]);
    expect(changeIndexUsed).toBe(1);
    const fresh = chainOf(network().first, `${name} coordinator`);
    await fresh.watch(treasury.branches);
    expect(new Set((await fresh.view()).spends)).toEqual(new Set(spends));
  });

  test('even a buried spend is read again when its block is taken back', async () => {
    const { treasury, chain } = await watched();
    const { first, second } = network();
    await deposit(treasury, '1');
    await partition(network());
    const txid = await treasury.spend({ [await minerAddress(network())]: '0.1' });
    await mine(network(), first, 101);
    for (const _ of ['read', 'remembered']) {
      expect((await chain.view()).spends).toMatchObject([{ txid, height: expect.any(Number) }]);
    }
    await mine(network(), second, 103);
    await connect(network());
    expect((await chain.view()).spends).toMatchObject([{ txid, height: null }]);
  });

  test('refuses a wallet with keys and a wallet of another treasury', async () => {
    const { name } = await watched();
    const other = await bitcoindTreasury(network().first, `${name} other`);
    for (const wallet of ['miner', `${name} coordinator`]) {
      await expect(chainOf(network().first, wallet).watch(other.branches)).rejects.toMatchObject({
        code: 'WRONG_STATE',
      });
    }
  });

  test('a transaction is tested, sent, and accepted again in mempool, block and when its outputs are spent', async () => {
    const { treasury, chain } = await watched();
    const { txid: funding } = await deposit(treasury, '1');
    const raw = await treasury.signed({ [await minerAddress(network())]: '0.2' });
    const accepted = { outcome: 'accepted' };
    expect(await chain.test(raw)).toEqual(accepted);
    expect((await chain.view()).spends).toEqual([]);
    expect(await chain.broadcast(raw)).toEqual(accepted);
    const [{ txid } = { txid: '' }] = (await chain.view()).spends;
    expect(await chain.previousTxs([txid])).toEqual(new Map([[txid, raw]]));
    expect(await chain.test(raw)).toEqual(accepted);
    expect(await chain.broadcast(raw)).toEqual(accepted);
    await mineOnFirst(1);
    expect(await chain.test(raw)).toEqual(accepted);
    expect(await chain.broadcast(raw)).toEqual(accepted);
    // All its outputs are spent: the node alone would call its inputs missing.
    await treasury.spend({ [await minerAddress(network())]: '0.1' });
    const { first } = network();
    const { vout } = await first.rpc<{ vout: { n: number; value: string }[] }>(
      'decoderawtransaction',
      [raw],
    );
    const paid = vout.find(({ value }) => value === '0.20000000');
    const inputs = [{ txid, vout: paid?.n }];
    const to = [await minerAddress(network())];
    await first.rpc('sendall', [to, null, 'unset', 5, { inputs }], 'miner');
    await mineOnFirst(1);
    expect(await chain.test(raw)).toEqual(accepted);
    expect(await chain.broadcast(raw)).toEqual(accepted);
    expect([...(await chain.previousTxs([funding])).keys()]).toEqual([funding]);
  });

  test('what the node refuses comes with its reason', async () => {
    const { treasury, chain } = await watched();
    await deposit(treasury, '1');
    const raw = await treasury.signed({ [await minerAddress(network())]: '0.2' });
    const other = await treasury.signed({ [await minerAddress(network())]: '0.4' });
    await chain.broadcast(other);
    for (const refused of [await chain.test(raw), await chain.broadcast(raw)]) {
      expect(refused).toMatchObject({
        outcome: 'refused',
        reason: expect.stringMatching(/insufficient fee|txn-mempool-conflict/),
      });
    }
    await mineOnFirst(1);
    for (const refused of [await chain.test(raw), await chain.broadcast(raw)]) {
      expect(refused).toMatchObject({
        outcome: 'refused',
        reason: expect.stringMatching(/missing-?inputs|missingorspent/),
      });
    }
    expect(await chain.broadcast('00')).toMatchObject({ outcome: 'refused' });
    await expect(chain.previousTxs(['ab'.repeat(32)])).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a node that is down leaves a broadcast unknown, and its wallet is there when it is back', async () => {
    const { treasury, chain } = await watched();
    const { txid } = await deposit(treasury, '1');
    const raw = await treasury.signed({ [await minerAddress(network())]: '0.2' });
    const { first } = network();
    await first.stop();
    await expect(chain.broadcast(raw)).rejects.toMatchObject({
      code: 'BROADCAST_OUTCOME_UNKNOWN',
      retry: 'same-key-only',
    });
    await expect(chain.view()).rejects.toMatchObject({ code: 'BITCOIND_UNREACHABLE' });
    await first.restart();
    await connect(network());
    expect((await chain.view()).coins).toMatchObject([{ outpoint: expect.stringContaining(txid) }]);
    expect(await chain.broadcast(raw)).toEqual({ outcome: 'accepted' });
  });
});

describeWithBitcoind('a wallet over an old chain', () => {
  const network = sharedNetwork();

  test('made later, or cut short in its first search, it finds what came before', async () => {
    const { first, second } = network();
    const treasury = await bitcoindTreasury(first, 'old');
    const { txid } = await fund(network(), treasury.address(0, 2), '0.6');
    // `now` searches two hours back: the payment has to be older than that.
    const later = Math.floor(Date.now() / 1_000) + 6 * 60 * 60;
    await Promise.all([first, second].map((node) => node.rpc('setmocktime', [later])));
    await mine(network(), first, 11);
    await first.rpc('createwallet', ['cut short', true, true, null, false, true, true]);
    const { receive, change } = treasury.branches;
    const cut = { active: false, timestamp: 'now', range: [0, 999] };
    const requests = [
      { desc: receive, internal: false, ...cut },
      { desc: change, internal: true, ...cut },
    ];
    await first.rpc('importdescriptors', [requests], 'cut short');
    expect(await first.rpc('listunspent', [], 'cut short')).toEqual([]);
    for (const wallet of ['cut short', 'made later']) {
      const chain = chainOf(first, wallet);
      await expect(chain.view()).rejects.toMatchObject({ code: 'NOT_READY' });
      await chain.watch(treasury.branches);
      await chain.watch(treasury.branches);
      expect((await chain.view()).coins).toMatchObject([
        { outpoint: expect.stringContaining(txid), branch: 0, index: 2 },
      ]);
      const info = await first.rpc('getwalletinfo', [], wallet);
      expect(info).toMatchObject({ private_keys_enabled: false });
    }
  });
});
