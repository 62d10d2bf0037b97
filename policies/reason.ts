/**
 * Refusals as values. A reason names one code of a closed list; the list says which row of the
 * checklist it belongs to and what it means. Only the area of a code (`W-FEE`) goes over the wire:
 * an attacker who hears the row can tune a theft to just under the limit.
 */

/** code -> [row of the checklist, meaning]. The rows are explained in docs/checklist.md. */
export const REASONS = {
  'W-ENV-SIGNATURE': ['A1', 'not signed by the pinned coordinator for this treasury and network'],
  'W-ENV-NETWORK': ['A1', 'another network or another treasury'],
  'W-ENV-PROPOSAL-ID': ['A2', 'the id is not the hash of the content'],
  'W-ENV-REBUILD': ['A2', 'the intent does not build this transaction'],
  'W-ENV-EXPIRED': ['A3', 'the proposal expired'],
  'W-ENV-EXPIRY-FAR': ['A3', 'the proposal lives longer than the policy allows'],
  'W-ENV-SEQ': ['A4', 'log entries are missing, repeated or out of order'],
  'W-ENV-PREV': ['A4', 'the entry does not continue the log this agent has'],
  'W-ENV-ACKS': ['A4', 'too few peers acknowledged this log'],
  'W-ENV-FORK': ['A5', 'two different logs were signed by the coordinator'],
  'W-ENV-SIZE': ['A7', 'larger than an agent reads'],
  'W-ENV-PARSE': ['A7', 'not a well-formed proposal or PSBT'],
  'W-ENV-CHANGED': ['A8', 'the bytes changed between review and signature'],
  'W-ENV-INTENT': ['A2', 'the intent contradicts itself or names what does not exist'],
  'W-DESC-PIN': ['B1', 'the pinned wallet record fails its MAC or is another one'],
  'W-DESC-OWN-KEY': ['B2', 'the own key is not in the descriptor, to the byte'],
  'W-DESC-DUPLICATE-KEY': ['B3', 'two seats share a key'],
  'W-DESC-CHECKSUM': ['B3', 'the descriptor is not canonical or its checksum is wrong'],
  'W-DESC-UNCONFIRMED': ['B4', 'not every guardian confirmed the first address'],
  'W-DESC-PATH': ['B5', 'a spending path outside the policy'],
  'W-DESC-RECORD': ['B7', 'the wallet record is incomplete'],
  'W-DESC-HASH': ['B1', 'the proposal is for another descriptor or epoch'],
  'W-TX-MISMATCH': ['C1', 'the PSBT holds another transaction than the proposal'],
  'W-TX-VERSION': ['C2', 'the transaction version is not 2'],
  'W-TX-SEQUENCE': ['C2', 'a sequence is not 0xfffffffd'],
  'W-TX-LOCKTIME': ['C3', 'the locktime is no height, in the future, or goes back'],
  'W-TX-DUPLICATE-INPUT': ['C4', 'one outpoint twice'],
  'W-TX-WEIGHT': ['C5', 'too heavy to relay'],
  'W-TX-OPRETURN': ['C5', 'an OP_RETURN nobody asked for'],
  'W-TX-WITNESS-VERSION': ['C5', 'an output of an unknown witness version or script type'],
  'W-TX-EXTRA-FIELD': ['C6', 'a PSBT field outside the allowed ones'],
  'W-TX-FINAL': ['C6', 'an input is already final'],
  'W-TX-FOREIGN-SIGNATURE': ['C6', 'a signature by a key outside the quorum'],
  'W-TX-XPUB': ['C7', 'the PSBT brings other extended keys'],
  'W-TX-MESSAGE': ['I6', 'a signed message dressed as a spend, or the reverse'],
  'W-IN-NOT-OURS': ['D1', 'an input that the pinned descriptor does not derive'],
  'W-IN-TYPE': ['D2', 'an input that is not native segwit'],
  'W-IN-PREVIOUS-TX': ['D3', 'the previous transaction is missing or another one'],
  'W-IN-AMOUNT': ['D3', 'the claimed amount is not the amount of the coin'],
  'W-IN-SCRIPT': ['D4', 'the witness script is not the one derived here'],
  'W-IN-UNKNOWN-COIN': ['D5', 'the own node does not know this coin'],
  'W-IN-SPENT': ['D5', 'the own node saw this coin spent'],
  'W-IN-UNCONFIRMED': ['D5', 'the coin has too few confirmations'],
  'W-IN-IMMATURE': ['D5', 'a coinbase that is not mature'],
  'W-IN-LOCKED': ['D6', 'the coin belongs to another live proposal'],
  'W-IN-FROZEN': ['D6', 'the coin is frozen here'],
  'W-IN-GAP': ['D7', 'derived too far out'],
  'W-IN-COUNT': ['A7', 'more inputs than the policy allows'],
  'W-IN-SIGHASH': ['D8', 'a sighash type other than ALL'],
  'W-IN-PATH': ['D9', 'a spending path the intent does not name'],
  'W-OUT-UNLISTED': ['E1', 'an output nobody asked for'],
  'W-OUT-CHANGE-INDEX': ['E1', 'change at an index too far or already used'],
  'W-OUT-CHANGE-UNDERIVED': ['E2', 'a change output the descriptor does not derive'],
  'W-OUT-MISSING': ['E3', 'a payee is missing'],
  'W-OUT-CHANGED-AMOUNT': ['E3', 'a payee gets another amount'],
  'W-OUT-PAYEE-UNSIGNED': ['E4', 'no valid order or allowlist entry for this payee'],
  'W-OUT-PAYEE-INACTIVE': ['E4', 'the payee is not active yet'],
  'W-OUT-PAYEE-CAP': ['E4', 'the payee is over its own cap'],
  'W-OUT-ORDER-EXPIRED': ['E4', 'the order expired'],
  'W-OUT-PAID-BEFORE': ['E5', 'the order was paid or is being paid'],
  'W-OUT-NETWORK': ['E6', 'an address of another network'],
  'W-OUT-OWN-RECEIVE': ['E6', 'pays our own receive branch without saying so'],
  'W-OUT-MIN-CHANGE': ['E7', 'the change is too small'],
  'W-OUT-DUST': ['E7', 'an output below dust'],
  'W-OUT-COUNT': ['E7', 'more outputs than the policy allows'],
  'W-OUT-SELF-TRANSFER': ['E7', 'money leaves where all should come back'],
  'W-OUT-SHARED': ['E8', 'counts an allowlisted script as our own'],
  'W-FEE-NEGATIVE': ['F1', 'outputs are worth more than inputs, or the fee is zero'],
  'W-FEE-MISMATCH': ['F1', 'the fee is not the one of the intent'],
  'W-FEE-RATE': ['F2', 'the feerate is above the cap or far above the own estimate'],
  'W-FEE-LOW': ['F2', 'the feerate is below the floor'],
  'W-FEE-ABS': ['F3', 'the fee is above the absolute cap'],
  'W-FEE-SHARE': ['F3', 'the fee is too large a share of the amount'],
  'W-FEE-WINDOW': ['F4', 'fees of this window are used up'],
  'W-FEE-BUMP-OUTPUTS': ['F5', 'a bump that changes what is paid'],
  'W-FEE-BUMP-ANCHOR': ['F5', 'a variant that does not spend the anchor of its intent'],
  'W-FEE-BUMP-LOW': ['F5', 'a bump that does not pay enough to replace'],
  'W-FEE-BUMP-COUNT': ['F5', 'bumped too often'],
  'W-POL-HASH': ['H1', 'another policy than the one the guardians approved'],
  'W-POL-INTENT': ['H1', 'the policy does not allow this kind of intent'],
  'W-POL-OVERLAY': ['H1', "the guardian's own overlay forbids it"],
  'W-POL-VERSION': ['H1', 'the policy is not the successor of the current one'],
  'W-POL-LOOSENED-EARLY': ['H1', 'a looser policy before its height'],
  'W-POL-DIVERGED': ['H1', 'the coordinator and this agent judge differently'],
  'W-LIM-PER-TX': ['H2', 'above the limit of one transaction'],
  'W-LIM-WINDOW': ['H2', 'above the limit of a window'],
  'W-LIM-SHARE': ['H2', 'above the share of the treasury that may leave in a window'],
  'W-LIM-COUNT': ['H2', 'too many transactions in a window'],
  'W-LIM-FLOOR': ['H2', 'would take the treasury below its floor'],
  'W-LIM-INTENT-WINDOW': ['H2', 'above the limit of this kind of intent'],
  'W-LIM-PAYEE': ['H2', 'above the limit of one payee'],
  'W-LIM-INTERVAL': ['H2', 'too soon after the last one of its kind'],
  'W-CNT-ROLLBACK': ['H5', 'this agent may have forgotten signatures'],
  'W-BRK-TIP-STALE': ['H7', 'the own node is stale, syncing, or its time is off'],
  'W-BRK-REORG': ['H7', 'a deep reorganisation'],
  'W-BRK-TRIPPED': ['H9', 'the breaker is tripped'],
  'W-BRK-PAUSED': ['A9', 'too many refusals: signing alone is paused'],
  'W-BRK-NO-CHAIN-VIEW': ['H7', 'no chain view of its own'],
  'W-BRK-UNKNOWN-SPEND': ['K3', 'the chain holds a spend that the log does not'],
  'W-APP-TOO-FEW': ['H8', 'too few approvals'],
  'W-APP-OPERATOR': ['H8', 'the operator has not approved'],
  'W-APP-NOT-DISTINCT': ['H8', 'approvals of one owner count once'],
  'W-APP-SELF': ['H8', 'the proposer does not approve its own proposal'],
  'W-APP-WRONG-SUBJECT': ['I1', 'an approval for another proposal'],
  'W-APP-REJECTED': ['I1', 'the operator or this guardian said no'],
  'W-LN-NOT-YET': ['G1', 'Lightning is not there yet'],
  'W-DLY-NOT-YET': ['I4', 'delays are not there yet'],
} as const satisfies Record<string, readonly [row: string, meaning: string]>;

export type ReasonCode = keyof typeof REASONS;

/** One failed rule, with what was found. `detail` stays on the machine that made it. */
export interface Reason {
  code: ReasonCode;
  row: string;
  detail: string;
}

/** A reason with its row looked up. `detail` says what was found and what the rule wants. */
export function reason(code: ReasonCode, detail: string): Reason {
  return { code, row: REASONS[code][0], detail };
}

/** The part of a code that may leave the machine: `W-FEE-SHARE` -> `W-FEE`. */
export function codeClass(code: ReasonCode): string {
  return code.split('-').slice(0, 2).join('-');
}
