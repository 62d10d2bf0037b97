/** What ln-service rejects with, and what it means: who may ask again, and whether the node may have done it. */
import { expect, test } from 'vitest';
import {
  type AnswerKind,
  failureOf,
  PastDeadline,
  readAnswer,
} from '../operator/adapters/lnd/answers.ts';
import { BrokenInvariant, Failure } from '../policies/failure.ts';

function grpc(code: number, details: string): unknown {
  return [503, 'UnexpectedError', { err: Object.assign(new Error(details), { code, details }) }];
}

test.each<[string, unknown, AnswerKind, boolean, boolean]>([
  [
    'a duplicate, which ln-service calls a 503',
    grpc(6, 'payment is in transition'),
    'exists',
    false,
    false,
  ],
  ['ln-service’s 409', [409, 'InvoiceWithGivenHashAlreadyExists'], 'exists', false, false],
  ['ln-service’s 404', [404, 'SentPaymentNotFound'], 'not_found', false, false],
  ['not found', grpc(5, "payment isn't initiated"), 'not_found', false, false],
  [
    'no invoice, under an unknown status',
    grpc(2, 'unable to locate invoice'),
    'not_found',
    false,
    false,
  ],
  ['a node that is away', grpc(14, 'No connection established'), 'unreachable', true, true],
  ['a stream that was cancelled', grpc(1, 'Cancelled on client'), 'unreachable', true, true],
  ['a node that stops', grpc(2, 'router shutting down'), 'unreachable', true, true],
  ['gRPC’s deadline', grpc(4, 'Deadline exceeded'), 'deadline', true, true],
  ['our deadline', new PastDeadline('no answer within 5 ms'), 'deadline', true, true],
  ['a macaroon of another role', grpc(2, 'permission denied'), 'denied', true, false],
  [
    'a macaroon of another node',
    grpc(2, 'verification failed: signature mismatch'),
    'denied',
    true,
    false,
  ],
  [
    'a locked wallet',
    grpc(2, 'wallet locked, unlock it to enable full RPC access'),
    'denied',
    true,
    false,
  ],
  [
    'a wallet that is not open yet',
    grpc(12, 'unknown service lnrpc.Lightning'),
    'denied',
    true,
    false,
  ],
  ['the node’s own no', grpc(2, 'channel not found'), 'refused', false, false],
  ['ln-service’s no before any call', [400, 'ExpectedIdOfChannelToClose'], 'refused', false, false],
  ['what the library has no build for', [501, 'NotSupported'], 'refused', false, false],
  ['an answer of another shape', [503, 'ExpectedRoutesArray'], 'unrecognised', false, true],
  ['an error of no shape', new Error('oops'), 'unrecognised', false, true],
  ['nothing', undefined, 'unrecognised', false, true],
  [
    'an error in an error in an error',
    [503, 'A', { err: [503, 'B', { err: grpc(6, 'x') }] }],
    'exists',
    false,
    false,
  ],
])('%s', (...[, cause, kind, retryable, moneyUnknown]) => {
  expect(readAnswer(cause)).toMatchObject({ kind, retryable, moneyUnknown });
});

test('a broken invariant of ours comes through ln-service as what it is', () => {
  const broken = new BrokenInvariant('never');
  expect(() => readAnswer([503, 'UnexpectedError', { err: broken }])).toThrow(broken);
});

test('what a node says is one short printable line', () => {
  const { details } = readAnswer(grpc(2, `a\u001b[2Jb${'x'.repeat(1_000)}`));
  expect(details).toMatch(/^a \[2Jbx+$/);
  expect(details).toHaveLength(300);
});

test.each([
  ['LND_REFUSED', 'never', grpc(2, 'no')],
  ['LND_REFUSED', 'never', [404, 'NotFound']],
  ['LND_UNREACHABLE', 'later', grpc(14, 'gone')],
  ['LND_UNREACHABLE', 'later', grpc(2, 'permission denied')],
  ['LND_UNREACHABLE', 'later', new Error('oops')],
])('a call ends as %s, to be asked again: %s', (code, retry, cause) => {
  expect(failureOf('GetInfo', cause)).toMatchObject({ code, retry });
});

test('a failure of ours stays what it was', () => {
  const failure = new Failure('NOT_READY', 'not yet');
  expect(failureOf('GetInfo', failure)).toBe(failure);
});
