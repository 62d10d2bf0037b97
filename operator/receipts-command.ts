/** `weir receipts …`: shows, verifies and keeps receipts of a pool. Verifying needs a file and a key, no network. */
import { createReadStream } from 'node:fs';
import { lstat, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { z } from 'zod';
import { ending } from '../console/command-end.ts';
import { EXIT, type Exit } from '../console/exit-code.ts';
import { printJson, printLine, printTable } from '../console/print.ts';
import { Failure } from '../policies/failure.ts';
import { DOCUMENT_BYTES_MAX, type ReadDocument, readDocument } from './receipts/document.ts';
import { DOCUMENT_SCHEMA } from './receipts/proof.ts';
import { type Verification, verifyEither } from './receipts/verify.ts';
import { fetchDocument } from './receipts-client.ts';

interface Flags {
  json?: boolean;
  poolKey: string;
}

interface ShowFlags {
  json?: boolean;
  url?: string;
  tokenFile?: string;
}

interface ProveFlags extends Flags {
  url: string;
  out: string;
  tokenFile?: string;
}

/** Everything that needs no folder of the operator: for whoever was given a receipt. */
export function receiptsCommands(): Command {
  const receipts = new Command('receipts').description('receipts of a pool: show, verify, prove');
  receipts
    .command('verify <file>')
    .description('verify a receipt offline; - reads the standard input')
    .requiredOption('--pool-key <hex>', 'the pool’s receipt key (x-only), from somebody you trust')
    .option('--json', 'print JSON')
    .action((file: string, flags: Flags) => ending(flags, () => verify(file, flags)));
  receipts
    .command('show <idOrFile>')
    .description('show a receipt; verifies nothing')
    .option('--url <base>', 'where the pool answers, for a receipt id')
    .option('--token-file <file>', 'bearer token: the owner sees the whole receipt')
    .option('--json', 'print JSON')
    .action((name: string, flags: ShowFlags) => ending(flags, () => show(name, flags)));
  receipts
    .command('prove <id>')
    .description('fetch a receipt and its proof, verify both, keep them in a file')
    .requiredOption('--url <base>', 'where the pool answers')
    .requiredOption('--out <file>', 'file to write; nothing is overwritten')
    .requiredOption('--pool-key <hex>', 'the pool’s receipt key (x-only), from somebody you trust')
    .option('--token-file <file>', 'bearer token: the owner gets the whole receipt')
    .option('--json', 'print JSON')
    .action((id: string, flags: ProveFlags) => ending(flags, () => prove(id, flags)));
  return receipts;
}

async function verify(file: string, flags: Flags): Promise<Exit> {
  const poolKey = requirePoolKey(flags);
  if (poolKey === null) return usage('--pool-key: 32 bytes in lower-case hex', flags);
  const { receipt, proof } = readDocument(await textOf(file));
  const found = verifyEither(receipt, proof, poolKey);
  printVerification(found, flags);
  return found.verdict === 'holds' ? EXIT.done : EXIT.integrityViolated;
}

async function show(name: string, flags: ShowFlags): Promise<Exit> {
  const { url, tokenFile } = flags;
  const document =
    url === undefined
      ? readDocument(await textOf(name))
      : await fetchDocument({ url, tokenFile }, name);
  if (flags.json === true) printJson(fileOf(document));
  else printLine(JSON.stringify(document.receipt, null, 2));
  return EXIT.done;
}

async function prove(id: string, flags: ProveFlags): Promise<Exit> {
  const poolKey = requirePoolKey(flags);
  if (poolKey === null) return usage('--pool-key: 32 bytes in lower-case hex', flags);
  const { url, out, tokenFile } = flags;
  if ((await lstat(out).catch(() => null)) !== null) {
    throw new Failure('WRONG_STATE', `${out} is there already: nothing is overwritten`);
  }
  const document = await fetchDocument({ url, tokenFile }, id);
  const found = verifyEither(document.receipt, document.proof, poolKey);
  printVerification(found, flags);
  if (found.verdict !== 'holds') return EXIT.integrityViolated;
  if (found.receiptId !== id) {
    throw new Failure('REQUEST_REFUSED', `the pool sent another receipt: ${found.receiptId}`);
  }
  await writeFile(out, `${JSON.stringify(fileOf(document), null, 2)}\n`, { flag: 'wx' });
  return EXIT.done;
}

/** As it is kept: with its proof where there is one. */
function fileOf({ receipt, proof }: ReadDocument): unknown {
  return proof === null ? receipt : { schema: DOCUMENT_SCHEMA, receipt, proof };
}

function requirePoolKey({ poolKey }: Flags): string | null {
  return /^[0-9a-f]{64}$/.test(poolKey) ? poolKey : null;
}

function usage(message: string, flags: { json?: boolean }): Exit {
  if (flags.json === true) printJson({ error: { code: 'INPUT_INVALID', message, retry: 'never' } });
  else printLine(message);
  return EXIT.usage;
}

/** At most one byte more than a document may have: a pipe has no size to ask for. */
async function textOf(file: string): Promise<string> {
  const parts: Buffer[] = [];
  try {
    const name = file === '-' ? '/dev/stdin' : file;
    const stream = createReadStream(name, { end: DOCUMENT_BYTES_MAX });
    for await (const part of stream) parts.push(z.instanceof(Buffer).parse(part));
  } catch (cause) {
    throw new Failure('NOT_FOUND', `${file} cannot be read; a receipt id needs --url`, { cause });
  }
  const bytes = Buffer.concat(parts);
  if (bytes.length > DOCUMENT_BYTES_MAX) {
    throw new Failure('INPUT_TOO_LARGE', `${file} is too large`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Failure('INPUT_INVALID', `${file} is no text in UTF-8`, { cause });
  }
}

function printVerification(found: Verification, { json }: { json?: boolean }): void {
  if (json === true) {
    printJson(found);
    return;
  }
  const { verdict, view, receiptId, checks, proves, doesNotProve } = found;
  printLine(`${verdict.toUpperCase()}  ${receiptId ?? 'no receipt'}  (${view} view)`);
  printTable(
    ['check', 'result', 'why'],
    checks.map(({ name, result, detail }) => [name, result, detail]),
  );
  if (proves !== null) printLine(`proves: ${proves}`);
  for (const each of doesNotProve) printLine(`does not prove: ${each}`);
}
