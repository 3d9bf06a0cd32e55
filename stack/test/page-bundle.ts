import * as fs from 'node:fs';
import * as path from 'node:path';
import { build, Plugin } from 'esbuild';

const CRATES = path.join(__dirname, '../../crates');
const SHARED = path.join(CRATES, 'page-parts/src/web');
const PORTAL = path.join(CRATES, 'usage-portal/src/web');
const BUNDLE = path.join(PORTAL, 'bundle/portal.js');

/** Finds the modules that the pages share: the server of a page has them beside those of the page. */
const sharedModules: Plugin = {
  name: 'shared-modules',
  setup(calls) {
    calls.onResolve({ filter: /^\.\// }, ({ path: name, resolveDir }) =>
      fs.existsSync(path.join(resolveDir, name)) ? undefined : { path: path.join(SHARED, name) },
    );
  },
};

/** Returns the script of the usage page of a customer, with all modules that it imports. The binary contains it, so that
 * the binary is built without npm. */
async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path.join(PORTAL, 'portal.js')],
    absWorkingDir: CRATES,
    banner: { js: '// Generated from the modules of the page by `cargo run -p dev -- generate`.' },
    bundle: true,
    format: 'iife',
    target: 'es2024',
    charset: 'utf8',
    write: false,
    plugins: [sharedModules],
  });
  return outputFiles[0]!.text;
}

/** Returns the present and the expected text of the script. */
export async function pageBundle(): Promise<{ present: string | undefined; expected: string }> {
  const present = fs.existsSync(BUNDLE) ? fs.readFileSync(BUNDLE, 'utf8') : undefined;
  return { present, expected: await bundle() };
}

if (process.argv[1]?.endsWith('page-bundle.ts')) {
  void bundle().then((text) => {
    fs.mkdirSync(path.dirname(BUNDLE), { recursive: true });
    fs.writeFileSync(BUNDLE, text);
  });
}
