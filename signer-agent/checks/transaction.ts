/** Rows A2, C1, D9, F1, F5, I6: the transaction is the one that the intent builds, and really a spend. */
import { bytesToHex } from '@noble/hashes/utils.js';
import { type BuiltTx, buildUnsignedTx } from '../../descriptors/build.ts';
import type { Psbt } from '../../descriptors/psbt.ts';
import type { Spend } from '../../descriptors/spend-from-psbt.ts';
import type { PayeeFact } from '../../policies/facts.ts';
import { Failure } from '../../policies/failure.ts';
import { type Reason, reason } from '../../policies/reason.ts';
import type { Case } from './case.ts';

/** A sequence without this bit is a relative locktime: the timed recovery path (BIP-68). */
const SEQUENCE_DISABLE = 0x80000000;

/** A2: the agent's own payees and the intent's plan build the same bytes. */
export function checkRebuild(c: Case, payees: readonly PayeeFact[]): Reason[] {
  const { state, deriver } = c.input;
  const { proposal } = state;
  let built: BuiltTx;
  try {
    const paid = payees.map(({ script, amountSat }) => ({ script, amountSat }));
    built = buildUnsignedTx(proposal.intent.plan, paid, deriver);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    return [reason('W-ENV-REBUILD', cause.message)];
  }
  const found: Reason[] = [];
  if (bytesToHex(built.unsignedTx) !== proposal.unsignedTx) {
    found.push(reason('W-ENV-REBUILD', `the intent builds ${built.txid}, not ${c.txid}`));
  }
  const same =
    proposal.prevouts.length === built.coins.length &&
    built.coins.every(({ outpoint, amountSat, branch, index }, at) => {
      const prevout = proposal.prevouts[at];
      return (
        prevout?.outpoint === outpoint &&
        prevout.amountSat === amountSat &&
        prevout.script === deriver.at(branch, index).script
      );
    });
  if (!same) found.push(reason('W-ENV-REBUILD', 'prevouts are not the coins of the intent'));
  return found;
}

/** C1, D9, I6: what the PSBT holds beside what `spendFromPsbt` says. */
export function checkPsbt(c: Case, psbt: Psbt, spend: Spend): Reason[] {
  const found: Reason[] = [];
  if (bytesToHex(psbt.unsignedTx) !== c.input.state.proposal.unsignedTx) {
    found.push(reason('W-TX-MISMATCH', 'the PSBT holds another transaction than the proposal'));
  }
  if (psbt.extras.includes('genericSignedMessage')) {
    found.push(reason('W-TX-MESSAGE', 'the PSBT carries a message to be signed (BIP-322)'));
  }
  // The one output of a BIP-322 `to_sign`: empty OP_RETURN, nothing paid.
  const [only, ...others] = psbt.outputs;
  if (others.length === 0 && only?.script === '6a' && only.amountSat === 0n) {
    found.push(reason('W-TX-MESSAGE', 'the only output is that of a signed message (BIP-322)'));
  }
  psbt.inputs.forEach(({ sequence, partialSigs }, at) => {
    const recovery = spend.inputs[at]?.place?.recoveryKeys.map((key) => bytesToHex(key)) ?? [];
    if (sequence < SEQUENCE_DISABLE) {
      found.push(reason('W-IN-PATH', `input ${at} asks for the timed recovery path`));
    }
    if (partialSigs.some(({ publicKey }) => recovery.includes(publicKey))) {
      found.push(reason('W-IN-PATH', `input ${at} is signed by a recovery key`));
    }
  });
  return found;
}

/** D1, D3, F1: coins, amounts and fee are what the intent says they are. */
export function checkClaims(c: Case, spend: Spend): Reason[] {
  const { proposal } = c.input.state;
  const found: Reason[] = [];
  if (spend.feeSat !== null && spend.feeSat !== proposal.feeSat) {
    found.push(reason('W-FEE-MISMATCH', `the fee is ${spend.feeSat}, not ${proposal.feeSat} sat`));
  }
  const claims = new Map(proposal.intent.plan.coins.map((coin) => [coin.outpoint, coin]));
  for (const { outpoint, amountSat, place } of spend.inputs) {
    const claim = claims.get(outpoint);
    if (claim === undefined) {
      found.push(reason('W-ENV-INTENT', `the intent does not name the coin ${outpoint}`));
      continue;
    }
    if (amountSat !== null && amountSat !== claim.amountSat) {
      const detail = `${outpoint} holds ${amountSat}, not ${claim.amountSat} sat`;
      found.push(reason('W-IN-AMOUNT', detail));
    }
    if (place !== null && (place.branch !== claim.branch || place.index !== claim.index)) {
      const detail = `${outpoint} is at ${place.branch}/${place.index}`;
      found.push(reason('W-ENV-INTENT', `${detail}, not at ${claim.branch}/${claim.index}`));
    }
  }
  return found;
}

/** F5: every variant of one intent spends the anchor of its first proposal, so that one excludes all. */
export function checkAnchor(c: Case, spend: Spend): Reason[] {
  const { intent } = c.input.state.proposal;
  if (c.root === null) {
    return [reason('W-ENV-INTENT', 'varies a proposal that the log does not hold')];
  }
  const { anchor } = c.root.proposal.intent.plan;
  const found: Reason[] = [];
  if (intent.plan.anchor !== anchor) {
    found.push(
      reason('W-FEE-BUMP-ANCHOR', `names the anchor ${intent.plan.anchor}, not ${anchor}`),
    );
  }
  if (!spend.inputs.some(({ outpoint }) => outpoint === anchor)) {
    found.push(reason('W-FEE-BUMP-ANCHOR', `does not spend the anchor ${anchor}`));
  }
  return found;
}
