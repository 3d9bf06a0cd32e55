/** The SAM templates of a release. */
import * as path from 'node:path';
import accessLog from '../lib/generated/access-log.json';
import { filesBelow } from './files';

const FORMATS: Record<string, string> = {
  'rest-api.yaml': accessLog.restFormat,
  'http-api.yaml': accessLog.httpFormat,
};

/** Returns the templates, by their paths. */
export function samFiles(): Record<string, string> {
  const files = Object.entries(filesBelow(path.join(__dirname, 'sam')));
  const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
  return Object.fromEntries(
    files.map(([name, text]) => [name, text.replace('ACCESS_LOG_FORMAT', () => quoted(FORMATS[name]!))]),
  );
}
