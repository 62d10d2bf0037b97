/** The promises of a Lightning node, kept by the adapter in front of a scripted LND. */
import { beforeEach } from 'vitest';
import { openPayer } from '../operator/adapters/lnd/payer.ts';
import { openReader } from '../operator/adapters/lnd/reader.ts';
import { openReceiver } from '../operator/adapters/lnd/receiver.ts';
import { promisesOf } from './lnd-promises.ts';
import { scriptedHands } from './scripted-hands.ts';
import { type ScriptedNode, scriptNode } from './scripted-node.ts';

const hands = scriptedHands();
let node: ScriptedNode;
beforeEach(() => {
  node = scriptNode(hands.lnd());
});

promisesOf('behind a scripted LND', () => {
  const connection = hands.connection();
  return {
    payer: openPayer(connection, connection),
    receiver: openReceiver(connection),
    reader: openReader(connection),
    taken: (msat) => Promise.resolve(node.payee('taken', msat)),
    held: (msat) => Promise.resolve(node.payee('held', msat)),
    unroutable: (msat) => Promise.resolve(node.payee('unroutable', msat)),
    payUs: (request) => Promise.resolve(node.payUs(request)),
  };
});
