/** The chart of accounts is closed: what is in it, what each account must never do, and what is no account. */
import { describe, expect, test } from 'vitest';
import { accountOf, findAccount, PARTITIONS, RAILS } from '../operator/ledger/account.ts';
import { BrokenInvariant } from '../policies/failure.ts';

const ID_64 = 'a'.repeat(64);

describe('an account', () => {
  test.each<[string, string, string, 'D' | 'C' | null, 'always' | 'while-used']>([
    ['SYS:asset:ln.local', 'msat', 'SYS', 'D', 'always'],
    ['LLP:asset:ln.inflight', 'msat', 'LLP', 'D', 'always'],
    ['RRP:asset:cold', 'msat', 'RRP', 'D', 'always'],
    ['CEP:asset:recv.principal.env-1', 'msat', 'CEP', 'D', 'while-used'],
    ['LLP:asset:due.Q1', 'msat', 'LLP', 'D', 'while-used'],
    ['LLP:liab:due.Q1', 'msat', 'LLP', 'C', 'while-used'],
    ['CEP:contra:allowance', 'msat', 'CEP', 'C', 'always'],
    ['LLP:liab:wd.payable.w_1', 'msat', 'LLP', 'C', 'while-used'],
    ['LLP:liab:wd.inflight.w_1', 'msat', 'LLP', 'C', 'while-used'],
    ['SYS:liab:suspense.d1', 'msat', 'SYS', 'C', 'while-used'],
    ['SYS:liab:prepaid.ana', 'msat', 'SYS', 'C', 'while-used'],
    ['SYS:liab:prepaid_hold.q1', 'msat', 'SYS', 'C', 'while-used'],
    [`SYS:liab:bond.${ID_64}`, 'msat', 'SYS', 'C', 'while-used'],
    ['SYS:liab:refund.r1', 'msat', 'SYS', 'C', 'while-used'],
    ['SYS:liab:unattributed', 'msat', 'SYS', 'C', 'always'],
    ['LLP:equity:capital', 'msat', 'LLP', null, 'always'],
    ['LLP:inc:routing', 'msat', 'LLP', 'C', 'always'],
    ['LLP:exp:route', 'msat', 'LLP', 'D', 'always'],
    ['share[LLP]:issued', 'share[LLP]', 'LLP', 'D', 'always'],
    ['share[CEP]:lp.lp-1', 'share[CEP]', 'CEP', 'C', 'always'],
    ['share[RRP]:escrow.w1', 'share[RRP]', 'RRP', 'C', 'while-used'],
    ['quota:granted', 'quota', 'SYS', 'D', 'always'],
    ['quota:subsidy', 'quota', 'SYS', 'C', 'always'],
    ['quota:velocity.ana', 'quota', 'SYS', 'C', 'while-used'],
  ])('%s counts %s in %s and has flag %s', (...[name, unit, partition, flag, kept]) => {
    expect(accountOf(name)).toMatchObject({ name, unit, partition, flag, kept });
  });

  test('is there for every rail in every partition', () => {
    const names = PARTITIONS.flatMap((each) => RAILS.map((rail) => `${each}:asset:${rail}`));
    expect(names.every((name) => accountOf(name).flag === 'D')).toBe(true);
    expect(names).toHaveLength(44);
  });
});

describe('no account is', () => {
  test.each<[string, string]>([
    ['', 'nothing'],
    ['LLP', 'a partition'],
    ['LLP:asset:ln.locals', 'a rail that is not there'],
    ['XLP:asset:ln.local', 'a partition that is not there'],
    ['llp:asset:ln.local', 'another case'],
    [' LLP:asset:ln.local', 'a space before'],
    ['LLP:asset:ln.local\n', 'a line after'],
    ['LLP:asset:ln.local.x', 'an id where there is none'],
    ['SYS:liab:prepaid', 'an id that is missing'],
    ['SYS:liab:prepaid.', 'an id of nothing'],
    ['SYS:liab:prepaid.a.b', 'an id with a dot'],
    ['SYS:liab:prepaid.a:b', 'an id with a colon'],
    ['SYS:liab:prepaid.é', 'an id beyond ASCII'],
    [`SYS:liab:prepaid.${ID_64}a`, 'an id of 65'],
    ['LLP:liab:prepaid.ana', 'an agent’s money inside the pool'],
    ['LLP:contra:allowance', 'an allowance where nothing is lent'],
    ['LLP:asset:recv.principal.e1', 'a receivable where nothing is lent'],
    ['SYS:equity:capital', 'capital without owners'],
    ['SYS:inc:service', 'income without owners'],
    ['share[SYS]:issued', 'a share of what nobody owns'],
    ['share[LLP]:lp.', 'a share of nobody'],
    ['quota:anything', 'a budget that is not there'],
    ['constructor', 'a name of the language'],
  ])('%j: %s', (name) => {
    expect(findAccount(name)).toBeNull();
    expect(() => accountOf(name)).toThrow(BrokenInvariant);
  });
});
