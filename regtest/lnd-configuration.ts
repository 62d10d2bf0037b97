/** How LND is set up here: on loopback, quick where its defaults wait, deterministic where they guess. */
import type { Bitcoind } from './bitcoind.ts';
import type { Seed } from './lnd-wallet.ts';

export interface LndSettings {
  alias: string;
  bitcoind: Bitcoind;
  feeUrl: string;
  seed?: Seed;
  p2p: number;
  rpc: number;
}

/** What every channel of this world charges for forwarding, unless its opener or a test sets another. */
export const FORWARDING_FEES = { baseMsat: 1000, ratePpm: 100 } as const;

/** Lines of lnd.conf. */
export function configuration(settings: LndSettings): string[] {
  const { alias, bitcoind, feeUrl, p2p, rpc } = settings;
  return [
    '[Application Options]',
    `alias=${alias}`,
    // A wallet without words, opened by itself; with a real seed the wallet is made and unlocked over RPC.
    ...(settings.seed === undefined || settings.seed === 'none' ? ['noseedbackup=true'] : []),
    'nobootstrap=true',
    'norest=true',
    `listen=127.0.0.1:${p2p}`,
    `rpclisten=127.0.0.1:${rpc}`,
    `externalip=127.0.0.1:${p2p}`,
    'maxpendingchannels=20',
    'accept-keysend=true',
    'allow-circular-route=true',
    'keep-failed-payment-attempts=true',
    'trickledelay=50',
    'historicalsyncinterval=1s',
    'debuglevel=info',
    ...chainLines(bitcoind),
    'protocol.wumbo-channels=true',
    // Not `option-scid-alias`: with it LND takes a channel out of its graph at the sixth block and puts it in
    // again; a payment in between finds no balance, and a peer's policy that came before is lost.
    'gossip.sub-batch-delay=5ms',
    'gossip.announcement-conf=3',
    'caches.rpc-graph-cache-duration=100ms',
    'db.batch-commit-interval=10ms',
    `fee.url=${feeUrl}`,
  ];
}

function chainLines(bitcoind: Bitcoind): string[] {
  return [
    'bitcoin.regtest=true',
    'bitcoin.node=bitcoind',
    `bitcoind.rpchost=${new URL(bitcoind.rpcUrl).host}`,
    `bitcoind.rpcuser=${bitcoind.rpcUser}`,
    `bitcoind.rpcpass=${bitcoind.rpcPassword}`,
    `bitcoind.zmqpubrawblock=${bitcoind.zmqRawBlock}`,
    `bitcoind.zmqpubrawtx=${bitcoind.zmqRawTx}`,
    'bitcoin.defaultchanconfs=1',
    'bitcoin.defaultremotedelay=4',
    'bitcoin.timelockdelta=24',
    'bitcoin.minhtlc=1',
    'bitcoin.minhtlcout=1',
    `bitcoin.basefee=${FORWARDING_FEES.baseMsat}`,
    `bitcoin.feerate=${FORWARDING_FEES.ratePpm}`,
  ];
}
