import * as fs from 'node:fs';
import * as path from 'node:path';

const PACKAGE = path.join(__dirname, '../node_modules/uplot');
const FOLDER = path.join(__dirname, '../../crates/page-parts/src/web/uplot');

/** The files of the npm package uPlot that the web pages have. The binaries contain them, so that they are
 * built without npm. */
const FILES = { 'uPlot.js': 'dist/uPlot.iife.min.js', 'uPlot.css': 'dist/uPlot.min.css', LICENSE: 'LICENSE' };

/** Returns the present and the expected text of the files, by path. */
export function vendoredFiles(): Map<string, { present: string | undefined; expected: string }> {
  const files = Object.entries(FILES).map(([name, source]) => {
    const file = path.join(FOLDER, name);
    const present = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined;
    return [file, { present, expected: fs.readFileSync(path.join(PACKAGE, source), 'utf8') }] as const;
  });
  return new Map(files);
}

if (process.argv[1]?.endsWith('vendored-files.ts')) {
  for (const [file, { expected }] of vendoredFiles()) fs.writeFileSync(file, expected);
}
