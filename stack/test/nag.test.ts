import * as fs from 'node:fs';
import * as path from 'node:path';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { describe, expect, test } from 'vitest';
import { stackOf } from '../verify/offline';
import { PORTAL_KEY } from './parts';

describe('cdk-nag, with the packs AwsSolutions and Serverless', () => {
  test.each([
    ['test', {}],
    ['prod', {}],
    ['test', { 'alarm-email': 'ops@example.org', 'caching-stages': 'a1/prod' }],
    ['test', { 'portal-public-keys': PORTAL_KEY }],
  ])('has only findings in %s with %j that are acknowledged with a reason', (environment, options) => {
    const { directory } = stackOf(environment, options).app.synth();
    const report = JSON.parse(fs.readFileSync(path.join(directory, 'validation-report.json'), 'utf8'));
    const packs = report.pluginReports.map((pack: Record<string, unknown>) => pack.pluginName);
    expect(packs).toEqual(expect.arrayContaining(['AwsSolutions', 'Serverless']));
    expect(report.pluginReports.flatMap((pack: Record<string, unknown[]>) => pack.violations)).toEqual([]);
    const acknowledged = report.pluginReports.flatMap((pack: Record<string, unknown>) => pack.suppressedViolations);
    expect(acknowledged.every((finding: Record<string, string>) => (finding.reason ?? '').length > 20)).toBe(true);
  });

  test('fails the synthesis on a finding', () => {
    const { app, stack } = stackOf('test');
    new Queue(stack, 'Careless');
    expect(() => app.synth()).toThrow(/SQS3/);
  });
});
