/** Writes what mdBook reads: `tsx site/write.ts FOLDER`. */
import * as path from 'node:path';
import { writeSource } from './source';

try {
  writeSource(path.join(__dirname, '../..'), process.argv[2]!);
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
