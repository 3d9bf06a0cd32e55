import * as fs from 'node:fs';
import * as path from 'node:path';
import { documents } from './documents';
import { withLinks } from './links';
import { summary } from './summary';

const IMAGE = /\.(svg|png)$/;
/** mdBook writes such a document as the start page of its folder, but leaves links to it. */
const README = /^((?:.*\/)?)README\.md(?=#|$)/;

/** Writes what mdBook reads to a folder: the documents at their paths, the files to which they link, the list of chapters. */
export function writeSource(root: string, folder: string): void {
  fs.rmSync(folder, { recursive: true, force: true });
  write(path.join(folder, 'SUMMARY.md'), summary(root));
  const chapters = documents(root);
  for (const document of chapters) {
    const text = fs.readFileSync(path.join(root, document), 'utf8');
    const linked = withLinks(text, (link) => {
      const target = path.join(path.dirname(document), link);
      const isFile = !link.includes('#') && !chapters.includes(target) && fs.existsSync(path.join(root, target));
      return isFile
        ? path.relative(path.dirname(document), copied(root, folder, target))
        : link.replace(README, '$1index.md');
    });
    write(path.join(folder, document), linked);
  }
}

/** Copies a file to which a document links, and returns its path. What is no image becomes text, which browsers show. */
function copied(root: string, folder: string, file: string): string {
  if (file.startsWith('..')) throw new Error(`site: a document links to ${file}, which is outside of the project`);
  const from = path.join(root, file);
  const to = IMAGE.test(file) ? file : `source/${file}.txt`;
  // The text of a folder is the list of its files.
  write(path.join(folder, to), fs.statSync(from).isDirectory() ? list(from) : fs.readFileSync(from));
  return to;
}

const list = (folder: string) => `${fs.readdirSync(folder).sort().join('\n')}\n`;

function write(file: string, content: string | Buffer): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
}
