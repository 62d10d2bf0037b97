/** Where an operator's sealed key lies. */
import path from 'node:path';
import { FILES } from './config.ts';

export function operatorKeyFile(dir: string, operator: string): string {
  return path.join(dir, FILES.operators, `${operator}.sealed`);
}
