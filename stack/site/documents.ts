import * as fs from 'node:fs';
import * as path from 'node:path';

/** Returns the documents of the project by their paths from its root. */
export function documents(root: string): string[] {
  const inDocs = fs.readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  const beside = ['', 'stack'].flatMap((folder) =>
    fs.readdirSync(path.join(root, folder)).map((name) => path.join(folder, name)),
  );
  return [...beside, ...inDocs.map((name) => path.join('docs', name))].filter((name) => name.endsWith('.md')).sort();
}
