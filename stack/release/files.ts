import * as fs from 'node:fs';
import * as path from 'node:path';

/** Returns the texts of all files of a folder by their paths from it, in the order of the paths. */
export function filesBelow(folder: string): Record<string, string> {
  const paths = (fs.readdirSync(folder, { recursive: true }) as string[]).sort();
  const files = paths.filter((file) => fs.statSync(path.join(folder, file)).isFile());
  return Object.fromEntries(files.map((file) => [file, fs.readFileSync(path.join(folder, file), 'utf8')]));
}

/** Writes files to a folder, which is created. */
export function writeFiles(folder: string, files: Record<string, string>): void {
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    fs.writeFileSync(path.join(folder, file), text);
  }
}
