/** Writes the production template of a version to the templates of earlier releases, from which upgrades are tested:
 * `tsx release/keep.ts FUNCTIONS VERSION`. */
import * as path from 'node:path';
import { writeFiles } from './files';
import { keptTemplate, KEPT_TEMPLATES } from './upgrade';

const [binaries, version] = process.argv.slice(2) as [string, string];
const file = `${version}.template.json`;
writeFiles(KEPT_TEMPLATES, { [file]: `${JSON.stringify(keptTemplate(binaries, version), undefined, 1)}\n` });
console.log(path.join(KEPT_TEMPLATES, file));
