import { FREE_SETTINGS, Service } from '../lib/function-settings';

type Variable = (typeof FREE_SETTINGS)[Service][string];

/** The names of the interfaces of functions with free settings. */
const NAMES: { [S in Service]?: string } = {
  'api-authorizer': 'AuthorizerSettings',
  'usage-canary': 'CanarySettings',
  'usage-consumer': 'ConsumerSettings',
  'usage-reconciler': 'ReconcilerSettings',
};

/** Returns the type of a setting: one with a range is a number. */
function typeOf({ min, default: byDefault }: Variable): string {
  if (min !== undefined) return 'number';
  return byDefault === 'true' || byDefault === 'false' ? 'boolean' : 'string';
}

function member(name: string, variable: Variable): string {
  const { doc, default: byDefault, min, max } = variable;
  const range = min === undefined ? '' : ` From ${min} to ${max}.`;
  return [
    '  /**',
    `   * ${doc}${range}`,
    '   *',
    `   * @default ${byDefault}`,
    '   */',
    `  readonly ${name}?: ${typeOf(variable)};`,
  ].join('\n');
}

/** Returns the interfaces of the free settings, which jsii needs written out. */
export function freeSettingsFile(): string {
  const interfaces = Object.entries(NAMES).map(([service, name]) => {
    const members = Object.entries(FREE_SETTINGS[service as Service]).map(([each, variable]) => member(each, variable));
    return `/** Further settings of the function \`${service}\`. */\nexport interface ${name} {\n${members.join('\n')}\n}\n`;
  });
  return interfaces.join('\n');
}

if (process.argv[1]?.endsWith('free-settings-file.ts')) {
  process.stdout.write(freeSettingsFile());
}
