/** What every part of the coordinator works with: the log, the newest look at the chain, the vault. */
import { branchDescriptor } from '../descriptors/descriptor.ts';
import { Failure } from '../policies/failure.ts';
import { ceremonyDone } from '../policies/treasury.ts';
import type { Chain, ChainView, ConfirmedCoin } from './chain.ts';
import type { CrashPoint } from './crash-point.ts';
import { type Situation, situationOf } from './facts.ts';
import type { TreasuryLog } from './log.ts';
import { type Vault, vaultOf } from './vault.ts';

/** What the shell gives: clock and chance come from outside, so that a test can hold them. */
export interface WorkplaceParts {
  log: TreasuryLog;
  chain: Chain;
  /** Unix milliseconds. */
  now: () => number;
  /** 32 fresh random bytes in hex. */
  random32: () => string;
  crashPoint: CrashPoint;
}

export interface Workplace extends WorkplaceParts {
  /** Of the recorded wallet. @throws Failure NOT_READY */
  vault(): Vault;
  /** The newest look at the chain, or null before the first. */
  seen(): ChainView | null;
  /** The same. @throws Failure NOT_READY before the first look. */
  view(): ChainView;
  /**
   * Looks again; watches the wallet first, once all guardians confirmed it.
   *
   * @throws Failure NOT_READY before that, BITCOIND_UNREACHABLE, BITCOIND_REFUSED
   */
  look(): Promise<ChainView>;
  /** The log and the newest look as one. `except` is left out of what is committed. */
  situation(except?: string | null): Situation;
  /** Coins of these outpoints that the newest look does not show: an unconfirmed spend hides them. */
  hiddenCoins(outpoints: readonly string[]): Promise<ReadonlyMap<string, ConfirmedCoin>>;
}

export function openWorkplace(parts: WorkplaceParts): Workplace {
  const { log, chain } = parts;
  let vault: Vault | null = null;
  let watched: string | null = null;
  let seen: ChainView | null = null;

  function currentVault(): Vault {
    const { wallet } = log.treasury();
    if (wallet === null) throw new Failure('NOT_READY', 'there is no wallet yet');
    if (vault?.record !== wallet) vault = vaultOf(wallet);
    return vault;
  }
  function view(): ChainView {
    if (seen === null) throw new Failure('NOT_READY', 'the chain was not looked at yet');
    return seen;
  }

  return {
    ...parts,
    vault: currentVault,
    seen: () => seen,
    view,
    async look() {
      if (!ceremonyDone(log.treasury())) {
        throw new Failure('NOT_READY', 'not every guardian confirmed the wallet');
      }
      const { descriptor } = currentVault();
      if (watched !== descriptor.text) {
        await chain.watch({
          receive: branchDescriptor(descriptor, 0),
          change: branchDescriptor(descriptor, 1),
        });
        watched = descriptor.text;
      }
      try {
        seen = await chain.view();
        return seen;
      } catch (cause) {
        // The node may have been replaced by one that has no such wallet: it is made again.
        if (cause instanceof Failure && cause.code === 'BITCOIND_REFUSED') watched = null;
        throw cause;
      }
    },
    situation: (except = null) => situationOf(log.treasury(), view(), currentVault(), except),
    async hiddenCoins(outpoints) {
      const known = new Set(view().coins.map(({ outpoint }) => outpoint));
      const hidden = outpoints.filter((each) => !known.has(each));
      return hidden.length === 0 ? new Map() : chain.confirmedCoins(hidden);
    },
  };
}
