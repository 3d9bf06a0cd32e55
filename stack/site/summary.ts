import * as fs from 'node:fs';
import * as path from 'node:path';
import { documents } from './documents';
import { linksOf } from './links';

const RUNBOOKS = 'docs/runbooks/README.md';

/** The documents of each part of the site. Runbooks follow in the order of their list. */
const PARTS: Record<string, string[]> = {
  Start: ['README.md', 'docs/TUTORIAL.md', 'docs/INSTALLATION.md', 'stack/README.md'],
  Run: ['docs/OPERATION.md', RUNBOOKS, 'docs/MIGRATION.md', 'docs/SECURITY.md', 'docs/CAPACITY_AND_COST.md'],
  'How it works': ['docs/ARCHITECTURE.md', 'docs/DESIGN.md', 'docs/AWS.md', 'docs/LOCAL_SERVICES.md'],
  Evidence: ['docs/BENCHMARKS.md', 'docs/LOAD_TEST.md', 'docs/SIMULATION.md', 'docs/MUTANTS.md', 'docs/FUZZING.md'],
  Reference: ['docs/LIMITS.md', 'docs/JSON.md', 'CHANGELOG.md'],
  Comparison: ['docs/COMPARISON.md'],
  Contributing: ['CONTRIBUTING.md'],
};

/** Returns the list of chapters that mdBook reads. Fails unless each document is a chapter, once. */
export function summary(root: string): string {
  const runbooks = [...new Set(linksOf(fs.readFileSync(path.join(root, RUNBOOKS), 'utf8')))]
    .filter((link) => /^[^/]+\.md$/.test(link))
    .map((link) => path.join(path.dirname(RUNBOOKS), link));
  compare(documents(root), [...Object.values(PARTS).flat(), ...runbooks]);
  const entry = (document: string) => `- [${titleOf(root, document)}](${document})\n`;
  const chapter = (document: string) =>
    entry(document) + (document === RUNBOOKS ? runbooks.map((runbook) => `  ${entry(runbook)}`).join('') : '');
  const parts = Object.entries(PARTS).map(([part, chapters]) => `\n# ${part}\n\n${chapters.map(chapter).join('')}`);
  return `# Summary\n${parts.join('')}`;
}

function compare(existing: string[], chapters: string[]): void {
  const missing = existing.filter((document) => !chapters.includes(document));
  if (missing.length > 0) {
    throw new Error(
      `site: ${missing.join(', ')} is no chapter; add it to PARTS in stack/site/summary.ts, or a runbook to ${RUNBOOKS}`,
    );
  }
  const wrong = chapters.filter(
    (document, place) => !existing.includes(document) || chapters.indexOf(document) < place,
  );
  if (wrong.length > 0) {
    throw new Error(
      `site: ${wrong.join(', ')} does not exist or is a chapter twice; see PARTS in stack/site/summary.ts`,
    );
  }
}

/** Returns the first heading of a document. */
function titleOf(root: string, document: string): string {
  const title = /^# (.+)$/m.exec(fs.readFileSync(path.join(root, document), 'utf8'))?.[1];
  if (title === undefined) throw new Error(`site: ${document} has no heading of the first level, which is its title`);
  return title;
}
