/** Static channel backups: exported, read back by the node itself, stored, and only then counted. */
import { Failure } from '../../policies/failure.ts';
import type { ChannelParts } from './channel-parts.ts';

/**
 * Makes one that covers these outpoints and every channel that is open.
 *
 * @throws Failure NOT_READY where the node's backup does not hold them all or cannot be read back
 */
export async function backUp(
  parts: Pick<ChannelParts, 'engine' | 'manager' | 'backups' | 'now'>,
  outpoints: readonly string[],
): Promise<void> {
  const { engine, manager, backups } = parts;
  const backup = await manager.backup();
  const covered = new Set(backup.outpoints);
  const wanted = [...outpoints, ...engine.state().channels.open.keys()];
  const missing = wanted.find((each) => !covered.has(each));
  if (missing !== undefined) {
    throw new Failure('NOT_READY', `the node's backup does not hold ${missing}`);
  }
  if (!(await manager.verifyBackup(backup))) {
    throw new Failure('NOT_READY', 'the node cannot read its own backup');
  }
  const stored = await backups.store(backup, parts.now());
  await engine.act(() => ({
    news: [
      {
        event: { kind: 'channel-backup-stored', ...stored, outpoints: [...backup.outpoints] },
        entry: null,
        receipt: null,
      },
    ],
    answer: null,
  }));
}
