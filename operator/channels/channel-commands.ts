/** `weir operator channels …`: the commands; all of them speak to the running operator. */
import { Command } from 'commander';
import { type Answered, printAnswer } from '../../console/answer.ts';
import { ending } from '../../console/command-end.ts';
import { toWire } from '../../policies/canonical-json.ts';
import { Failure } from '../../policies/failure.ts';
import { type AdminClient, ask, type CommandOptions } from '../admin-client.ts';
import { closeAsk, openAsk } from './channel-protocol.ts';

interface ChannelFlags extends CommandOptions {
  channel?: string[];
  initiator?: string;
  force?: string;
  maxFeerate?: string;
}

export function channelsCommands(): Command {
  const channels = new Command('channels').description(
    'channels of the pool: opened and closed by the quorum of the treasury',
  );
  verb(
    channels.command('list'),
    'all channels, what is on its way, and the books beside them',
    () => (client) => client.channels.list.query(),
  );
  verb(channels.command('open'), 'ask for channels in one transaction', (flags) => {
    const asked = checked(openAsk, {
      initiator: flags.initiator,
      channels: (flags.channel ?? []).map(wishOf),
    });
    return (client) => client.channels.open.mutate(toWire(asked) as never);
  })
    .requiredOption(
      '--channel <node[@host:port]=sat[,private]...>',
      'one channel; give it several times for a batch',
      (text: string, before: string[] | undefined) => [...(before ?? []), text],
    )
    .requiredOption('--initiator <id>', 'who asks, as the log will say');
  verb(
    channels.command('abort').argument('<batch>').argument('<why>'),
    'give a batch up that nobody signed yet',
    (_flags, batchId = '', why = '') =>
      (client) =>
        client.channels.abort.mutate({ batchId, why }),
  );
  verb(
    channels.command('close').argument('<outpoint>'),
    'ask the quorum to close a channel to the treasury',
    (flags, outpoint = '') => {
      const asked = checked(closeAsk, {
        outpoint,
        initiator: flags.initiator,
        force: flags.force ?? 'cooperative',
        maxFeeRateSatPerKvb: flags.maxFeerate,
      });
      return (client) => client.channels.close.mutate(toWire(asked) as never);
    },
  )
    .requiredOption('--max-feerate <sat/kvB>', 'bound of the closing fee')
    .requiredOption('--initiator <id>', 'who asks, as the log will say')
    .option(
      '--force <why>',
      'peer_offline, htlc_deadline or breach_risk: pays the node, not the treasury',
    );
  verb(
    channels.command('backup'),
    'export the channel backup and have the node read it back',
    () => (client) => client.channels.backup.mutate(),
  );
  verb(
    channels.command('accept'),
    'who may open channels to the pool',
    () => (client) => client.channels.inbound.query(),
  );
  return channels;
}

/** `node[@host:port]=sat[,private]`. */
const WISH = /^([0-9a-f]{66})(?:@(\S+:[0-9]{1,5}))?=([0-9]{1,16})(,private)?$/;

function wishOf(text: string): unknown {
  const [whole, peer, socket, capacitySat, isPrivate] = WISH.exec(text) ?? [];
  if (whole === undefined) {
    throw new Failure('INPUT_INVALID', '--channel is node[@host:port]=sat[,private]');
  }
  return {
    peer,
    socket: socket ?? null,
    capacitySat,
    announced: isPrivate === undefined ? 'public' : 'private',
  };
}

interface Schema<T> {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: T }
    | { success: false; error: { issues: { path: PropertyKey[]; message: string }[] } };
}

function checked<T>(schema: Schema<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Failure(
    'INPUT_INVALID',
    `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
  );
}

function verb(
  command: Command,
  description: string,
  questionOf: (
    flags: ChannelFlags,
    ...words: string[]
  ) => (client: AdminClient) => Promise<Answered>,
): Command {
  return command
    .description(description)
    .option('--dir <folder>', 'folder of the operator')
    .option('--json', 'print JSON')
    .action((...given: unknown[]) => {
      const words = given.filter((each): each is string => typeof each === 'string');
      const flags = command.opts<ChannelFlags>();
      return ending(flags, async () =>
        printAnswer(flags, await ask(flags, questionOf(flags, ...words))),
      );
    });
}
