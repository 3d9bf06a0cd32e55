import * as fs from 'node:fs';
import * as path from 'node:path';
import { ROOT } from './doc-blocks';
import { LocalMeter } from './local-meter';
import { Ended, run } from './run';

function script(file: string, text: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `#!/bin/bash\n${text}\n`, { mode: 0o755 });
}

/** Runs commands of documents in the folder of a local stack, with the programs and scripts of the project. */
export class Shell {
  constructor(
    private readonly local: LocalMeter,
    private readonly variables: Record<string, string> = {},
  ) {
    for (const name of fs.readdirSync(path.join(ROOT, 'scripts'))) {
      script(path.join(local.folder, 'scripts', name), `exec "${path.join(ROOT, 'scripts', name)}" "$@"`);
    }
    // A document names an environment on AWS. Here the same command uses the local stack. docs.test.ts checks the names.
    const meter = path.join(ROOT, 'target/debug/meter');
    script(
      path.join(local.folder, 'programs/meter'),
      `words=()
while [ $# -gt 0 ]; do
    if [ "$1" = --aws ]; then words+=(--data "$METER_DATA"); shift; else words+=("$1"); fi
    shift
done
exec "${meter}" "\${words[@]}"`,
    );
    fs.symlinkSync(path.join(ROOT, 'target'), path.join(local.folder, 'target'));
    fs.symlinkSync(path.join(ROOT, 'loadtest'), path.join(local.folder, 'loadtest'));
  }

  /** Runs commands in order until one fails. They write files to the folder of the stack. */
  async run(commands: string): Promise<Ended> {
    const env = {
      ...process.env,
      ...this.variables,
      PATH: `${path.join(this.local.folder, 'programs')}:${process.env.PATH}`,
      METER: path.join(ROOT, 'target/debug/meter'),
      ENVIRONMENT: 'local',
      TARGET: `--data ${this.local.data}`,
      METER_DATA: this.local.data,
    };
    const cwd = commands.includes('git ') ? ROOT : this.local.folder;
    return run('bash', ['-euo', 'pipefail', '-c', commands], { cwd, env });
  }
}
