/** The file that keeps each seat's newest accepted request time: replaced whole, durable when written. */
import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { Failure } from '../policies/failure.ts';
import { label } from '../policies/intent.ts';
import type { HorizonStore } from './request-auth.ts';

const horizons = z.record(label, z.int().min(0));

/** @throws Failure WRONG_STATE, at `read`, for a file that is not what was written. */
export function horizonFile(file: string): HorizonStore {
  return {
    async read() {
      const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT') return '{}';
        throw cause;
      });
      try {
        return new Map(Object.entries(horizons.parse(JSON.parse(text))));
      } catch (cause) {
        throw new Failure('WRONG_STATE', `${file} is damaged: wait a minute, then remove it`, {
          cause,
        });
      }
    },
    async write(values) {
      const draft = `${file}.new`;
      const handle = await open(draft, 'w', 0o600);
      try {
        await handle.writeFile(JSON.stringify(Object.fromEntries(values)));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(draft, file);
      const folder = await open(path.dirname(file), 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    },
  };
}
