/** Writes the templates of a release: `tsx release/write.ts FOLDER FUNCTIONS ARCHITECTURE VERSION`. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { KINDS, Release, releaseTemplate } from './template';

const [folder, binaries, architecture, version] = process.argv.slice(2) as [
  string,
  string,
  Release['architecture'],
  string,
];
for (const kind of KINDS) {
  const template = releaseTemplate(kind, { version, binaries, architecture });
  fs.writeFileSync(
    path.join(folder, `usage-meter-${kind}.template.json`),
    `${JSON.stringify(template, undefined, 1)}\n`,
  );
}
