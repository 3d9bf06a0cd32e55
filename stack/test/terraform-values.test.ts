import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeFiles } from '../release/files';
import { Release, releaseTemplate } from '../release/template';
import { terraformFiles } from '../release/terraform';
import { placeholderBinaries } from '../verify/offline';
import { run } from './run';

// No current Terraform is on npm or PyPI, so that the tests do not install it.
const hasTerraform =
  spawnSync('terraform', ['version'], { env: { ...process.env, CHECKPOINT_DISABLE: '1' } }).status === 0;

describe.runIf(hasTerraform)('Terraform itself', () => {
  let parameters: Record<string, { Default?: string | number }>;
  let folder: string;
  const env = { ...process.env, CHECKPOINT_DISABLE: '1' };
  const terraform = (...words: string[]) => run('terraform', words, { cwd: folder, env });

  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-terraform-'));
    const release: Release = { version: '1.2.3', binaries: placeholderBinaries(), architecture: 'arm64' };
    const template = releaseTemplate('production', release);
    parameters = template.Parameters as typeof parameters;
    writeFiles(path.join(folder, 'release'), terraformFiles(template));
    // The provider is not at hand, so that only the variables and what is computed from them are evaluated.
    for (const file of ['variables.tf', 'parameters.tf']) {
      fs.copyFileSync(path.join(folder, 'release/meter', file), path.join(folder, file));
    }
    fs.writeFileSync(path.join(folder, 'all.tf'), 'output "parameters" {\n  value = local.parameters\n}\n');
    expect((await terraform('init', '-input=false')).status).toBe(0);
  });
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  const plan = (values: Record<string, string | number>) => {
    const given = Object.entries(values).map(([name, value]) => `-var=${name}=${value}`);
    return terraform('plan', '-input=false', '-no-color', '-out=plan', ...given);
  };

  test('would not format a file otherwise', async () => {
    const { status, output } = await terraform('fmt', '-check', '-recursive', '-diff', 'release');
    expect(status, output).toBe(0);
  });

  test('passes the defaults of the template', async () => {
    const { status, output } = await plan({ artifacts_bucket: 'artifacts' });
    expect(status, output).toBe(0);
    const shown = JSON.parse((await terraform('show', '-json', 'plan')).stdout);
    const defaults = Object.entries(parameters).map(([name, { Default }]) => [name, String(Default ?? 'artifacts')]);
    const passed = Object.entries(shown.planned_values.outputs.parameters.value as Record<string, unknown>);
    expect(Object.fromEntries(passed.map(([name, value]) => [name, String(value)]))).toEqual(
      Object.fromEntries(defaults),
    );
  });

  test('needs the bucket', async () => {
    expect((await plan({})).output).toContain('No value for required variable');
  });

  test.each([
    ['environment', 'Prod', 'has to match ^[a-z]'],
    ['artifacts_prefix', 'no-slash', 'has to match ^([^/]'],
    ['shards', 0, 'has to be at least 1.'],
    ['batch_window_seconds', 301, 'has to be at least 0 and at most 300.'],
    ['batch_window_seconds', -1, 'has to be at least 0 and at most 300.'],
    ['usage_retention_days', 61, 'has to be at least 62 and'],
    ['portal_public_keys', 'MFkw', 'has to match ^(MFkw'],
    ['portal_frame_ancestors', 'https://app.example.com/', 'has to match ^((https'],
    ['deletion_protection', 'maybe', 'a bool is required'],
  ])('refuses %s=%s', async (name, value, message) => {
    const { status, output } = await plan({ artifacts_bucket: 'artifacts', [name]: value });
    expect(output.replaceAll(/\s+/g, ' ')).toContain(message);
    expect(status).toBe(1);
  });
});
