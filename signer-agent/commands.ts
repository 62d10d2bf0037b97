/** `weir signer-agent …`: the command tree with its real tools. */
import { setTimeout as sleep } from 'node:timers/promises';
import confirm from '@inquirer/confirm';
import type { Command } from 'commander';
import { EXIT } from '../console/exit-code.ts';
import { readPassphrase } from '../custody/passphrase.ts';
import { makeApprovalKey, signApproval } from './approval-key.ts';
import type { CommandTools } from './command-tools.ts';
import { agentCommandTree } from './command-tree.ts';

/** Everything a guardian does with the own agent. */
export function signerAgentCommands(): Command {
  return agentCommandTree(REAL);
}

// The process, its making and the judge are loaded by the commands that need them: a look at `status`
// waits for none of them.
const REAL: CommandTools = {
  passphrase: ({ flag, ...request }) => readPassphrase({ ...request, flag }),
  async agrees(message) {
    if (!process.stdin.isTTY) return null;
    try {
      // stdout belongs to what the command answers.
      return await confirm({ message, default: false }, { output: process.stderr });
    } catch (cause) {
      // Ctrl-C at the question is an answer, and it is no.
      if (cause instanceof Error && cause.name === 'ExitPromptError') return false;
      throw cause;
    }
  },
  approvalKey: makeApprovalKey,
  signApproval,
  async init(request) {
    const { initAgent } = await import('./init.ts');
    await initAgent(request);
    const { dir, network } = request;
    const holder = request.device === null ? 'here' : 'device';
    return {
      json: { dir, network, holder },
      text: `made ${dir} on ${network}; start it with: weir signer-agent run --dir ${dir}`,
      exit: EXIT.done,
    };
  },
  async restore(request) {
    const { restoreAgent } = await import('./init.ts');
    await restoreAgent(request);
    const { dir } = request;
    return {
      json: { dir, automation: 'locked' },
      text: `made ${dir} from the backup; run it: it stays locked until its peers prove it fresh`,
      exit: EXIT.done,
    };
  },
  async useLnd({ dir, lnd }) {
    const { useLnd } = await import('./init.ts');
    await useLnd(dir, lnd);
    const socket = lnd?.socket ?? null;
    const text = socket === null ? 'looks at no Lightning node' : `looks at ${socket}`;
    return { json: { dir, lnd: socket }, text: `${text} from its next start on`, exit: EXIT.done };
  },
  async run(request) {
    const { runAgent } = await import('./run.ts');
    await runAgent(request);
  },
  async verify(request) {
    const { verifyOffline } = await import('./verify-offline.ts');
    return await verifyOffline(request);
  },
  pause: (milliseconds) => sleep(milliseconds),
};
