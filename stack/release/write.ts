/** Writes what a release has for CloudFormation, Terraform and SAM:
 * `tsx release/write.ts FOLDER FUNCTIONS ARCHITECTURE VERSION`. */
import * as path from 'node:path';
import { writeFiles } from './files';
import { samFiles } from './sam';
import { Release, releaseTemplate } from './template';
import { terraformFiles } from './terraform';

const [folder, binaries, architecture, version] = process.argv.slice(2) as [
  string,
  string,
  Release['architecture'],
  string,
];
const release = { version, binaries, architecture };
const production = releaseTemplate('production', release);
const templates = { production, trial: releaseTemplate('trial', release) };
for (const [kind, template] of Object.entries(templates)) {
  writeFiles(folder, { [`usage-meter-${kind}.template.json`]: `${JSON.stringify(template, undefined, 1)}\n` });
}
writeFiles(path.join(folder, 'terraform'), terraformFiles(production));
writeFiles(path.join(folder, 'sam'), samFiles());
