import * as fs from 'node:fs';
import * as path from 'node:path';

export const ROOT = path.join(__dirname, '../..');

/** A block of code of a document. */
export interface Block {
  /** The document, from the root of the project. */
  readonly document: string;
  /** The line that the block begins on, counted from 1. */
  readonly line: number;
  readonly code: string;
}

/** The documents for users of the project; a changelog quotes code of the past. */
export function documents(): string[] {
  const inDocs = fs.readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' });
  return ['README.md', 'CONTRIBUTING.md', 'stack/README.md', ...inDocs.map((name) => path.join('docs', name))].filter(
    (name) => name.endsWith('.md'),
  );
}

/** The blocks of a language in a document. A block of a list is indented, and its code is not. */
export function blocksOf(document: string, language: string): Block[] {
  const text = fs.readFileSync(path.join(ROOT, document), 'utf8');
  return [...text.matchAll(/^( *)```(\w*)\n([^]*?)^\1```$/gm)]
    .filter(([, , name]) => name === language)
    .map((match) => ({
      document,
      line: text.slice(0, match.index).split('\n').length,
      code: match[3]!.replaceAll(new RegExp(`^${match[1]}`, 'gm'), ''),
    }));
}

/** The commands of a block, one to an element though they may go over several lines, without comments. */
export function commandsOf({ code }: Block): string[] {
  return code
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/(^|\s+)#.*$/, '').trim())
    .filter((line) => line !== '');
}
