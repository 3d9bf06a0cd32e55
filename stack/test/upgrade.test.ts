import * as fs from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';
import { Json, ofType, Template } from '../release/json';
import { keptTemplate, KEPT_TEMPLATES, upgradeProblems } from '../release/upgrade';

const present = keptTemplate(path.join(__dirname, '../../target/lambda-local'), '99.0.0');

describe('a stack that was deployed from an earlier release', () => {
  test.each(fs.readdirSync(KEPT_TEMPLATES))('%s keeps its data, parameters and outputs in an update', (file) => {
    const before = JSON.parse(fs.readFileSync(path.join(KEPT_TEMPLATES, file), 'utf8')) as Template;
    expect(Object.keys(before.Resources).length).toBeGreaterThan(50);
    expect(upgradeProblems(before, present)).toEqual([]);
  });
});

describe('an update reports', () => {
  type Change = (template: Template & { Parameters: Record<string, Record<string, Json>> }) => void;
  const idOf = ({ Resources }: Template, type: string) =>
    Object.keys(Resources).find((id) => Resources[id]!.Type === type)!;
  const moved =
    (type: string): Change =>
    (template) => {
      const id = idOf(template, type);
      template.Resources.Another = template.Resources[id]!;
      delete template.Resources[id];
    };
  const changes: [string, Change, string][] = [
    [
      'a table with another key',
      ({ Resources }) => {
        const [table] = ofType(Resources, 'AWS::DynamoDB::Table');
        table!.Properties.KeySchema = [{ AttributeName: 'other', KeyType: 'HASH' }];
      },
      'WILL_REPLACE',
    ],
    [
      'a stream that is gone',
      (template) => delete template.Resources[idOf(template, 'AWS::Kinesis::Stream')],
      '(AWS::Kinesis::Stream): WILL_ORPHAN',
    ],
    [
      'a function that would have to be replaced under its name',
      ({ Resources }) => (ofType(Resources, 'AWS::Lambda::Function')[0]!.Properties.PackageType = 'Image'),
      '(AWS::Lambda::Function): WILL_REPLACE',
    ],
    [
      'an alarm under another logical id',
      moved('AWS::CloudWatch::Alarm'),
      'Another (AWS::CloudWatch::Alarm) has the name of ',
    ],
    ['a parameter that is gone', ({ Parameters }) => delete Parameters.Shards, 'the parameter Shards is gone'],
    [
      'a new parameter without a default',
      ({ Parameters }) => (Parameters.Colour = { Type: 'String' }),
      'the new parameter Colour has no default',
    ],
    [
      'a narrower parameter',
      ({ Parameters }) => (Parameters.Shards!.MinValue = 2),
      'the parameter Shards refuses values that it took before',
    ],
    [
      'a mapping under another logical id',
      moved('AWS::Lambda::EventSourceMapping'),
      '(AWS::Lambda::EventSourceMapping): WILL_DESTROY',
    ],
    [
      'a table that is no longer retained',
      ({ Resources }) =>
        delete (ofType(Resources, 'AWS::DynamoDB::Table')[0] as unknown as Record<string, Json>).DeletionPolicy,
      '(AWS::DynamoDB::Table) had the DeletionPolicy RetainExceptOnCreate',
    ],
    [
      'an output of another resource',
      ({ Outputs }) => ((Outputs!.AuthorizerArn as Record<string, Json>).Value = { Ref: 'Another' }),
      'the output AuthorizerArn refers to something else',
    ],
    ['an output that is gone', ({ Outputs }) => delete Outputs![Object.keys(Outputs!)[0]!], ' is gone'],
  ];

  test.each(changes)('%s', (_, change, problem) => {
    const after = structuredClone(present);
    change(after as Parameters<Change>[0]);
    expect(upgradeProblems(present, after).join('\n')).toContain(problem);
  });
});
