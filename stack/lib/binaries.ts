import * as fs from 'node:fs';
import * as path from 'node:path';
import { MeterSettings } from './settings';

/** Returns the path of the binary of a function: its zip file in a release, or the folder with its `bootstrap`. Returns
 * `undefined` if there is neither. */
export function binaryOf({ binaries }: MeterSettings, service: string): string | undefined {
  return [`${service}.zip`, service].map((name) => path.join(binaries, name)).find((place) => fs.existsSync(place));
}
