/** Nothing of the operator's spends from LND's own wallet: neither what its macaroons allow nor what it may send. */
import { expect, test } from 'vitest';
import { ROLE_METHODS, ROLES } from '../operator/adapters/lnd/macaroons.ts';
import { lintRequest } from '../operator/adapters/lnd/request-lint.ts';

/** Every method of LND 0.20 that spends coins of its wallet, or publishes what spends them. */
const SPENDING = [
  '/lnrpc.Lightning/SendCoins',
  '/lnrpc.Lightning/SendMany',
  '/walletrpc.WalletKit/SendOutputs',
  '/walletrpc.WalletKit/FundPsbt',
  '/walletrpc.WalletKit/SignPsbt',
  '/walletrpc.WalletKit/FinalizePsbt',
  '/walletrpc.WalletKit/PublishTransaction',
  '/walletrpc.WalletKit/BumpFee',
] as const;

test.each(ROLES)('LN-28 the macaroon of the %s cannot send on chain', (role) => {
  const allowed: readonly string[] = ROLE_METHODS[role];
  expect(SPENDING.filter((method) => allowed.includes(method))).toEqual([]);
  // Coarse rights would bring all of them.
  expect(allowed.filter((method) => !/^\/[a-z]+\.[A-Za-z]+\/[A-Za-z0-9]+$/.test(method))).toEqual(
    [],
  );
});

test.each(SPENDING)('LN-28 %s is not sent, whatever it says', (method) => {
  expect(lintRequest(method, {})).not.toEqual([]);
});
