import * as fs from 'node:fs';
import * as path from 'node:path';
import { documents as documentsOf } from '../site/documents';

export const ROOT = path.join(__dirname, '../..');

/** A block of code of a document. */
export interface Block {
  /** The document, from the root of the project. */
  readonly document: string;
  /** The first line of the block, counted from 1. */
  readonly line: number;
  readonly code: string;
}

/** Returns the documents except the changelog, which quotes old code. */
export function documents(): string[] {
  return documentsOf(ROOT).filter((document) => document !== 'CHANGELOG.md');
}

/** Returns the code blocks of a language in a document, without the indentation of a list. */
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

/** Returns the commands of a block without comments. Continued lines are one command. */
export function commandsOf({ code }: Block): string[] {
  return code
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/(^|\s+)#.*$/, '').trim())
    .filter((line) => line !== '');
}
