/** How to talk to what the demo leaves running: commands, and curl lines with a token and a fresh invoice. */
import path from 'node:path';
import type { BitcoindBinary } from '../regtest/bitcoind-binary.ts';
import type { LndNode } from '../regtest/lnd.ts';
import type { RegtestNetwork } from '../regtest/network.ts';
import type { PoolWorld } from './lightning-world.ts';
import type { World } from './world.ts';

export function keepHints(of: {
  treasury: World | null;
  api: { world: PoolWorld; token: string; lncli: string } | null;
  network: RegtestNetwork;
  bitcoind: BitcoindBinary;
}): string[] {
  const { treasury, api, network, bitcoind } = of;
  const { cli = ['bitcoin-cli'] } = bitcoind;
  return [
    'Everything is still running. Talk to it from another terminal:',
    ...(treasury === null ? [] : treasuryHints(treasury)),
    `   ${cli.join(' ')} -datadir=${network.first.dataDir} getblockchaininfo`,
    ...(api === null ? [] : poolHints(api.world, api.token, api.lncli)),
    'Ctrl-C ends it.',
  ];
}

const COMMAND = 'node dist/cli/weir.js';

function treasuryHints({ coordinator, agents, dir }: World): string[] {
  const [seat = ''] = agents.keys();
  return [
    `   ${COMMAND} coordinator status --dir ${coordinator.dir}`,
    `   ${COMMAND} coordinator proposals --dir ${coordinator.dir}`,
    `   ${COMMAND} signer-agent status --dir ${path.join(dir, seat)}`,
    `   ${COMMAND} signer-agent history --dir ${path.join(dir, seat)}`,
  ];
}

function poolHints(
  { operator, lightning, dir }: PoolWorld,
  token: string,
  lncli: string,
): string[] {
  return [
    `   ${COMMAND} operator status --dir ${operator.dir}`,
    `   ${COMMAND} operator channels list --dir ${operator.dir}`,
    `   ${COMMAND} operator books --dir ${operator.dir}`,
    '',
    'The examples of the README work as they stand after these lines:',
    `   export WEIR_URL=${operator.url}`,
    `   export WEIR_TOKEN=${token}`,
    `   export WEIR_POOL_KEY=${operator.receiptKey}`,
    `   export WEIR_RECEIPT=${path.join(dir, 'receipt.json')}`,
    `   export PAYEE="${lncliOf(lncli, lightning.node('payee'))}"`,
    `   export PAYER="${lncliOf(lncli, lightning.node('left'))}"`,
    `   documentation of the API: ${operator.url}/docs`,
  ];
}

/** `lncli` of a node in this world. */
function lncliOf(lncli: string, node: LndNode): string {
  return `${lncli} --network regtest --rpcserver ${node.socket} --tlscertpath ${node.certPath} --macaroonpath ${node.macaroonPath('admin')}`;
}
