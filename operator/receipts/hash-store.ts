/** Many 32-byte hashes in one buffer that grows: a million take 32 MB and no object each. Pure. */
import { invariant } from '../../policies/failure.ts';

export const HASH_BYTES = 32;
/** Room at the start; doubled when it is full. */
const ROOM_AT_START = 256;

export interface HashStore {
  count(): number;
  push(hash: Uint8Array): void;
  /** A view, not a copy: what is stored never changes. */
  at(index: number): Uint8Array;
  /** All of it, as it is kept. A view. */
  bytes(): Uint8Array;
}

export function hashStore(): HashStore {
  return storeOver(Buffer.alloc(ROOM_AT_START * HASH_BYTES), 0);
}

/** A store of these bytes; they are copied. */
export function hashStoreOf(bytes: Uint8Array): HashStore {
  invariant(bytes.length % HASH_BYTES === 0, 'a store of hashes holds whole hashes');
  const count = bytes.length / HASH_BYTES;
  const room = Buffer.alloc(Math.max(count, ROOM_AT_START) * HASH_BYTES);
  room.set(bytes);
  return storeOver(room, count);
}

function storeOver(start: Buffer, filled: number): HashStore {
  let room = start;
  let count = filled;
  return {
    count: () => count,
    push(hash) {
      invariant(hash.length === HASH_BYTES, 'a hash has 32 bytes');
      if ((count + 1) * HASH_BYTES > room.length) {
        const larger = Buffer.alloc(room.length * 2);
        larger.set(room);
        room = larger;
      }
      room.set(hash, count * HASH_BYTES);
      count += 1;
    },
    at(index) {
      invariant(index >= 0 && index < count, `hash ${index} of ${count}`);
      return room.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
    },
    bytes: () => room.subarray(0, count * HASH_BYTES),
  };
}
