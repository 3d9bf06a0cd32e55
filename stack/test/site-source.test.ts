import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { documents } from '../site/documents';
import { writeSource } from '../site/source';
import { ROOT } from './doc-blocks';

let folder: string;
let project: string;
let source: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'site-'));
  project = path.join(folder, 'project');
  source = path.join(folder, 'source');
  for (const document of documents(ROOT)) {
    fs.cpSync(path.join(ROOT, document), path.join(project, document));
  }
});

afterEach(() => fs.rmSync(folder, { recursive: true }));

const written = (file: string) => fs.readFileSync(path.join(source, file), 'utf8');
const add = (file: string, text: string) => {
  fs.mkdirSync(path.dirname(path.join(project, file)), { recursive: true });
  fs.appendFileSync(path.join(project, file), text);
};

test('a document that is no chapter is named', () => {
  add('docs/NEW.md', '# New\n');
  expect(() => writeSource(project, source)).toThrow('docs/NEW.md is no chapter');
});

test('a runbook that its list lacks is named', () => {
  add('docs/runbooks/new.md', '# New\n');
  expect(() => writeSource(project, source)).toThrow('docs/runbooks/new.md is no chapter');
});

test('a chapter without a document is named', () => {
  fs.rmSync(path.join(project, 'docs/AWS.md'));
  expect(() => writeSource(project, source)).toThrow('docs/AWS.md does not exist');
});

test('a runbook follows its list', () => {
  writeSource(project, source);
  expect(written('SUMMARY.md')).toContain('- [Runbooks](docs/runbooks/README.md)\n  - [Authorizer](docs/runbooks/');
});

test('a link to a file opens its text, a link to a folder the list of its files, and an image stays', () => {
  add('scripts/build.sh', 'cargo build\n');
  add('docs/graph.svg', '<svg/>\n');
  add('docs/SECURITY.md', '[script](../scripts/build.sh) [scripts](../scripts) ![graph](graph.svg)\n');
  writeSource(project, source);
  expect(written('docs/SECURITY.md')).toContain(
    '[script](../source/scripts/build.sh.txt) [scripts](../source/scripts.txt) ![graph](graph.svg)',
  );
  expect(written('source/scripts/build.sh.txt')).toBe('cargo build\n');
  expect(written('source/scripts.txt')).toBe('build.sh\n');
  expect(written('docs/graph.svg')).toBe('<svg/>\n');
});

test('a link to README.md opens the start page of its folder, and other links stay', () => {
  add(
    'docs/SECURITY.md',
    '[stack](../stack/README.md#use) [costs](CAPACITY_AND_COST.md#results) [x](https://x.test)\n',
  );
  writeSource(project, source);
  expect(written('docs/SECURITY.md')).toContain(
    '[stack](../stack/index.md#use) [costs](CAPACITY_AND_COST.md#results) [x](https://x.test)',
  );
});

test('a link that leaves the project is refused', () => {
  add('docs/SECURITY.md', '[outside](../..)\n');
  expect(() => writeSource(project, source)).toThrow('outside of the project');
});
