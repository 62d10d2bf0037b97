/** The agent's only source of chance. */
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';

/** 32 random bytes of the operating system, in hex. */
export function randomHex32(): string {
  return bytesToHex(randomBytes(32));
}
