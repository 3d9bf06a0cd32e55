import { Template } from 'aws-cdk-lib/assertions';
import { stackOf } from '../verify/offline';

/** The properties with the names of resources. */
const NAMES = ['TableName', 'FunctionName', 'LogGroupName', 'QueueName'];

/** Returns the dashboard of the environment `local` for the local stack: the body with resolved names. The costs are those
 * of functions on arm64, the default of deploy.sh. */
export function dashboardFile(): string {
  const template = Template.fromStack(stackOf('local', { architecture: 'arm64' }).stack);
  const resources = template.toJSON().Resources as Record<string, { Properties: Record<string, string> }>;
  const name = (logicalId: string): string => {
    const { Properties } = resources[logicalId] ?? { Properties: {} };
    return Properties[NAMES.find((property) => Properties[property] !== undefined) ?? ''] ?? 'us-east-1';
  };
  const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'));
  const parts = dashboard!.Properties.DashboardBody['Fn::Join'][1] as (
    string | { Ref?: string; 'Fn::GetAtt'?: string[] }
  )[];
  const text = parts
    .map((part) => (typeof part === 'string' ? part : name(part.Ref ?? part['Fn::GetAtt']![0]!)))
    .join('');
  const { widgets } = JSON.parse(text) as { widgets: unknown[] };
  return `{"widgets":[\n${widgets.map((widget) => JSON.stringify(widget)).join(',\n')}\n]}\n`;
}

if (process.argv[1]?.endsWith('dashboard-file.ts')) {
  process.stdout.write(dashboardFile());
}
