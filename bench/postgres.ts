/** A PostgreSQL server of its own for one run, as it comes: every commit is synced. Where there is none it is said. */

import { execFile } from 'node:child_process';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Pool } from 'pg';
import { endDaemon, startDaemon } from '../regtest/daemon-process.ts';
import { freePorts } from '../regtest/free-ports.ts';
import { pathOf } from '../regtest/program-file.ts';
import { until } from '../regtest/wait.ts';

/** Connections that insert at once. */
const CONNECTIONS = 16;
const READY_MS_MAX = 60_000;
/** Where Debian puts what is not on PATH. */
const DEBIAN = '/usr/lib/postgresql';
/** Its programs refuse to run as root; nobody owns nothing. */
const NOBODY = 65_534;

export interface Postgres {
  version: string;
  /** One insert, one commit. */
  insert(seq: number, body: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** @returns null, having said why, where there is none. */
export async function startPostgres(): Promise<Postgres | null> {
  const programs = await programsOf();
  if (programs === null) {
    process.stderr.write('no PostgreSQL to compare with: no initdb on PATH\n');
    return null;
  }
  const dir = await mkdtemp(path.join(tmpdir(), 'bench-pg-'));
  const asNobody = process.getuid?.() === 0;
  if (asNobody) await chown(dir, NOBODY, NOBODY);
  const as = asNobody
    ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
    : [];
  const data = path.join(dir, 'data');
  const init = [...as, programs.initdb, '-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8'];
  const [file = '', ...args] = init;
  await promisify(execFile)(file, args, { cwd: dir });
  const { rpc: port } = await freePorts();
  const listen = ['-p', port.toString(), '-c', 'listen_addresses=127.0.0.1', '-k', dir];
  const daemon = startDaemon([...as, programs.postgres, '-D', data, ...listen]);
  const pool = new Pool({
    host: '127.0.0.1',
    port,
    user: 'bench',
    database: 'postgres',
    max: CONNECTIONS,
  });
  pool.on('error', () => undefined);
  await until('PostgreSQL to answer', () => answers(pool), READY_MS_MAX);
  await pool.query('create table entry (seq bigint primary key, body text not null)');
  const { rows } = await pool.query<{ server_version: string }>('show server_version');
  return {
    version: rows[0]?.server_version ?? '',
    insert: (seq, body) =>
      pool.query({
        name: 'insert',
        text: 'insert into entry (seq, body) values ($1, $2)',
        values: [seq, body],
      }),
    async stop() {
      await pool.end();
      await endDaemon('PostgreSQL', daemon, 'SIGTERM');
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function answers(pool: Pool): Promise<boolean> {
  return pool.query('select 1').then(
    () => true,
    () => false,
  );
}

async function programsOf(): Promise<{ initdb: string; postgres: string } | null> {
  const [initdb, postgres] = await Promise.all([pathOf('initdb'), pathOf('postgres')]);
  if (initdb !== null && postgres !== null) return { initdb, postgres };
  const versions = await readdir(DEBIAN).catch(() => []);
  const newest = versions.toSorted((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10))[0];
  if (newest === undefined) return null;
  const bin = path.join(DEBIAN, newest, 'bin');
  return { initdb: path.join(bin, 'initdb'), postgres: path.join(bin, 'postgres') };
}
