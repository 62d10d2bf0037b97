/** Who said what so far: approvals, rejections, signatures, refusals, as the log holds them. */
import type { AgentVerdict, Approval } from '../../policies/proposal.ts';
import { oneLine, WIDTH, wrapped } from './wording.ts';

/** The parts of a proposal's or an authorization's state that people and agents wrote. */
export interface Said {
  approvals: readonly Approval[];
  verdicts: ReadonlyMap<string, AgentVerdict>;
  /** Seats whose signatures are there. */
  signed: readonly string[];
}

export interface SaidView {
  approved: readonly { id: string; role: 'guardian' | 'operator' }[];
  rejected: readonly { id: string; role: 'guardian' | 'operator' }[];
  signed: readonly string[];
  asks: readonly string[];
  refused: readonly { seatId: string; classes: readonly string[]; note: string }[];
}

export function saidView({ approvals, verdicts, signed }: Said): SaidView {
  const by = (decision: 'approve' | 'reject') =>
    approvals
      .filter(({ body }) => body.decision === decision)
      .map(({ body }) => ({ id: body.signerId, role: body.role }));
  const bodies = [...verdicts.values()].map(({ body }) => body);
  return {
    approved: by('approve'),
    rejected: by('reject'),
    signed,
    asks: bodies.filter(({ verdict }) => verdict === 'asks').map(({ seatId }) => seatId),
    refused: bodies
      .filter(({ verdict }) => verdict === 'refused' || verdict === 'never')
      .map(({ seatId, classes, note }) => ({ seatId, classes, note: oneLine(note) })),
  };
}

/** The same in lines; `threshold` where signatures are wanted. */
export function saidText(said: SaidView, threshold: number | null): string {
  const people = (list: SaidView['approved']) =>
    list.length === 0 ? 'nobody yet' : list.map(({ id, role }) => `${id} (${role})`).join(', ');
  const names = said.signed.length === 0 ? 'nobody yet' : said.signed.join(', ');
  return [
    `approved by ${people(said.approved)}`,
    ...(said.rejected.length === 0 ? [] : [`rejected by ${people(said.rejected)}`]),
    ...(threshold === null
      ? []
      : [`signed by ${names} (${said.signed.length} of ${threshold} needed)`]),
    ...(said.asks.length === 0 ? [] : [`asking their guardians: ${said.asks.join(', ')}`]),
    ...said.refused.map(({ seatId, classes, note }) => {
      const why = classes.length === 0 ? '' : ` (${classes.join(', ')})`;
      return wrapped(
        `refused by ${seatId}${why}${note === '' ? '' : `, who wrote: “${note}”`}`,
        WIDTH,
      );
    }),
  ].join('\n');
}
