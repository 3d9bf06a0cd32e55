import { createPublicKey, ECDH, generateKeyPairSync } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { CfnParameter, Fn } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { UsageEndpoint } from '../lib/constructs/usage-endpoint';
import { PORTAL_CONCURRENCY, UsagePortal, UsagePortalProps } from '../lib/constructs/usage-portal';
import { PORTAL_PATTERNS, portalFrameAncestors, portalPublicKeys } from '../lib/portal-settings';
import { stackOf, templateOf } from '../verify/offline';
import { all, Parts, PORTAL_KEY } from './parts';

const KEYS = { 'portal-public-keys': PORTAL_KEY };
const PEM = `-----BEGIN PUBLIC KEY-----\n${PORTAL_KEY.slice(0, 64)}\n${PORTAL_KEY.slice(64)}\n-----END PUBLIC KEY-----\n`;
const base64Of = (curve: string, namedCurve = curve) =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'der', type: 'spki' }).toString('base64');

/** Returns a public key with its point compressed. Its algorithm has 21 bytes, and its point an X and a Y of 32. */
function compressedPoint(key: string): string {
  const der = Buffer.from(key, 'base64');
  const point = ECDH.convertKey(der.subarray(26), 'prime256v1', undefined, undefined, 'compressed') as Buffer;
  const head = Buffer.from([0x30, 0x39, ...der.subarray(2, 23), 0x03, 0x22, 0x00]);
  const compressed = Buffer.concat([head, point]);
  createPublicKey({ key: compressed, format: 'der', type: 'spki' });
  return compressed.toString('base64');
}

/** Returns the template of a stack with a pipeline, a usage endpoint and a portal. */
function portalWith(props: Partial<UsagePortalProps>) {
  const { stack, settings, pipeline, template } = new Parts();
  new UsageEndpoint(stack, 'Endpoint', { settings, pipeline });
  new UsagePortal(stack, 'Portal', { settings, pipeline, publicKeys: [PORTAL_KEY], ...props });
  return template();
}

describe('the public keys', () => {
  test('are joined, also from PEM', () => {
    const other = base64Of('prime256v1');
    expect(portalPublicKeys([PEM, other, PEM.replaceAll('\n', '\r\n'), PEM.replaceAll('\n', ' ')])).toBe(
      [PORTAL_KEY, other, PORTAL_KEY, PORTAL_KEY].join(','),
    );
  });

  const compressed = compressedPoint(PORTAL_KEY);
  const offTheCurve = `${PORTAL_KEY.slice(0, -4)}AA==`;

  test.each([
    [
      'an empty text',
      [''],
      /The public key 1 of the usage page is not the base64 of the SubjectPublicKeyInfo of a P-256 key/,
    ],
    ['a key of another curve', [PORTAL_KEY, base64Of('secp384r1')], /The public key 2 .*P-256 .*set it to the lines/],
    ['a key of a curve of the same size', [base64Of('secp256k1')], /The public key 1 .*P-256/],
    ['a compressed point', [compressed], /The public key 1 .*uncompressed/],
    ['a cut key', [PORTAL_KEY.slice(0, -8)], /91 bytes/],
    ['base64 of URLs', [`${PORTAL_KEY.slice(0, 60)}_${PORTAL_KEY.slice(61)}`], /is not the base64/],
    ['a point beside the curve', [offTheCurve], /The public key 1 of the usage page is no point of the curve P-256/],
    ['no key', [], /There are 0 public keys of the usage page: set 1 to 4/],
    ['a fifth key', Array.from({ length: 5 }, () => PORTAL_KEY), /There are 5 public keys/],
  ])('are refused with %s', (_, keys, message) => {
    expect(() => portalPublicKeys(keys)).toThrow(message);
  });

  test('are refused with a private key, which the error does not contain', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    for (const type of ['pkcs8', 'sec1'] as const) {
      const pem = privateKey.export({ format: 'pem', type }).toString();
      const thrown = () => portalPublicKeys([pem]);
      expect(thrown).toThrow(/The public key 1 of the usage page is a private key: set its public key/);
      expect(thrown).not.toThrow(pem.split('\n')[1]);
    }
  });

  test('are not checked if they are known only at deployment', () => {
    const later = portalWith({
      publicKeys: [Fn.importValue('key'), PORTAL_KEY],
      frameAncestors: [Fn.importValue('origin')],
    });
    later.hasResourceProperties('AWS::Lambda::Function', {
      Environment: {
        Variables: Match.objectLike({
          PORTAL_PUBLIC_KEYS: { 'Fn::Join': ['', [{ 'Fn::ImportValue': 'key' }, `,${PORTAL_KEY}`]] },
          PORTAL_FRAME_ANCESTORS: { 'Fn::ImportValue': 'origin' },
        }),
      },
    });
  });

  test('can be a parameter with a list', () => {
    const { stack, settings, pipeline, template } = new Parts();
    const listOf = (id: string) => new CfnParameter(stack, id, { type: 'CommaDelimitedList' }).valueAsList;
    const [publicKeys, frameAncestors] = [listOf('Keys'), listOf('Origins')];
    new UsagePortal(stack, 'Portal', { settings, pipeline, publicKeys, frameAncestors });
    const joined = (Ref: string) => ({ 'Fn::Join': [',', { Ref }] });
    template().hasResourceProperties('AWS::Lambda::Function', {
      Environment: {
        Variables: Match.objectLike({ PORTAL_PUBLIC_KEYS: joined('Keys'), PORTAL_FRAME_ANCESTORS: joined('Origins') }),
      },
    });
  });
});

interface OriginCases {
  readonly remedy: string;
  readonly origins: string[];
  readonly other_texts: string[];
}

/** The function is tested with the same cases. */
const CASES = path.join(__dirname, '../../crates/usage-portal/test-cases/origins.json');
const { remedy: REMEDY, origins: ORIGINS, other_texts } = JSON.parse(fs.readFileSync(CASES, 'utf8')) as OriginCases;
const NO_ORIGINS = [...other_texts, ' https://a.example'];

describe('the frame ancestors', () => {
  test('are origins, also of this machine', () => {
    expect(portalFrameAncestors(ORIGINS)).toBe(ORIGINS.join(','));
    expect(portalFrameAncestors([])).toBe('');
  });

  test.each([...NO_ORIGINS, ''])('are refused with %j', (origin) => {
    const named = `The frame ancestor ${JSON.stringify(origin)} of the usage page is not an origin: ${REMEDY}.`;
    expect(() => portalFrameAncestors(['https://a.example', origin])).toThrow(named);
  });
});

describe('the patterns of a release', () => {
  test('accept one to four keys, or none', () => {
    const accepts = (text: string) => new RegExp(PORTAL_PATTERNS.publicKeys).test(text);
    const keys = (count: number) => Array.from({ length: count }, () => PORTAL_KEY).join(',');
    expect([0, 1, 4, 5].map((count) => accepts(keys(count)))).toEqual([true, true, true, false]);
    expect([PEM, `${PORTAL_KEY},`, PORTAL_KEY.slice(1), base64Of('secp256k1')].filter(accepts)).toEqual([]);
  });

  test('accept the same origins as the constructs', () => {
    const accepts = (text: string) => new RegExp(PORTAL_PATTERNS.frameAncestors).test(text);
    expect([...ORIGINS, ORIGINS.join(','), ''].filter((text) => !accepts(text))).toEqual([]);
    expect([...NO_ORIGINS, 'https://a.example,', ','].filter(accepts)).toEqual([]);
  });
});

describe('the portal', () => {
  const template = portalWith({ frameAncestors: ORIGINS });

  test('has a public URL of its alias, without CORS', () => {
    const [url] = all(template, 'AWS::Lambda::Url');
    const [name] = Object.keys(
      template.findResources('AWS::Lambda::Function', { Properties: { FunctionName: 'usage-portal-parts' } }),
    );
    expect(url).toEqual({
      AuthType: 'NONE',
      InvokeMode: 'BUFFERED',
      Qualifier: 'live',
      TargetFunctionArn: { 'Fn::GetAtt': [name, 'Arn'] },
    });
  });

  // Source: Lambda Developer Guide, "Control access to Lambda function URLs".
  test('may be invoked by anybody through its URL, and not otherwise', () => {
    const [alias] = Object.entries(template.findResources('AWS::Lambda::Alias')).find(([, { Properties }]) =>
      JSON.stringify(Properties).includes('PortalFunction'),
    )!;
    const FunctionName = { Ref: alias };
    expect(all(template, 'AWS::Lambda::Permission').filter(({ Principal }) => Principal === '*')).toEqual([
      { Action: 'lambda:InvokeFunctionUrl', FunctionName, FunctionUrlAuthType: 'NONE', Principal: '*' },
      { Action: 'lambda:InvokeFunction', FunctionName, InvokedViaFunctionUrl: true, Principal: '*' },
    ]);
  });

  test('has the permissions of the usage endpoint on the same tables and stream, and writes its own log', () => {
    const ofFunction = (role: string) => {
      const [policy] = all(template, 'AWS::IAM::Policy').filter(({ PolicyName }) => PolicyName.startsWith(role));
      const [log, ...reads] = policy!.PolicyDocument.Statement;
      return { log, reads };
    };
    const [portal, endpoint] = [ofFunction('PortalRole'), ofFunction('EndpointRole')];
    expect(portal.reads).toEqual(endpoint.reads);
    expect(portal.reads.map(({ Action }: { Action: string }) => Action)).toEqual([
      'dynamodb:Query',
      'dynamodb:GetItem',
      'dynamodb:Query',
      'kinesis:ListShards',
    ]);
    expect(JSON.stringify(portal.log.Resource)).toMatch(/"PortalLog/);
    expect(portal.log.Action).toEqual(['logs:CreateLogStream', 'logs:PutLogEvents']);
  });

  test('reserves concurrency by default, another one, none, or refuses all requests', () => {
    const reserved = (props: Partial<UsagePortalProps>) =>
      all(portalWith(props), 'AWS::Lambda::Function').find(({ FunctionName }) => FunctionName === 'usage-portal-parts')!
        .ReservedConcurrentExecutions;
    expect(reserved({})).toBe(PORTAL_CONCURRENCY);
    expect([25, 0].map((reservedConcurrency) => reserved({ reservedConcurrency }))).toEqual([25, 0]);
    expect(reserved({ isUnreserved: true })).toBeUndefined();
    expect(() => portalWith({ isUnreserved: true, reservedConcurrency: 1 })).toThrow(/omit reservedConcurrency or/);
  });

  test('can be unreserved by the option of a deployment', () => {
    const reserved = (context: Record<string, string>) =>
      all(templateOf('test', { ...KEYS, ...context }), 'AWS::Lambda::Function').flatMap(
        ({ ReservedConcurrentExecutions }) => ReservedConcurrentExecutions ?? [],
      );
    expect([reserved({}), reserved({ 'portal-concurrency': 'none' })]).toEqual([[PORTAL_CONCURRENCY], []]);
  });

  test('is deployed only with public keys, with the output PortalUrl', () => {
    const [without, having] = [templateOf('test'), templateOf('test', KEYS)];
    expect(JSON.stringify(without.toJSON())).not.toMatch(/portal/i);
    const [url] = Object.keys(having.findResources('AWS::Lambda::Url'));
    expect(having.toJSON().Outputs.PortalUrl.Value).toEqual({ 'Fn::GetAtt': [url, 'FunctionUrl'] });
    expect(stackOf('test', KEYS).stack.portal?.url).toMatch(/\$\{Token/);
  });

  test('leaves all other resources as they are', () => {
    const { Resources: others } = templateOf('test').toJSON();
    const { Resources } = templateOf('test', KEYS).toJSON();
    const kept = Object.entries(Resources).filter(([id]) => !id.startsWith('Portal'));
    expect(Object.fromEntries(kept)).toEqual(others);
  });
});
