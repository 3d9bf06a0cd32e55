import { localTemplate, resolver } from './resolved-names';

/** Returns the dashboard of the environment `local` for the local stack: the body with resolved names. */
export function dashboardFile(): string {
  const template = localTemplate();
  const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'));
  const text = resolver(template, 'us-east-1')(dashboard!.Properties.DashboardBody) as string;
  const { widgets } = JSON.parse(text) as { widgets: unknown[] };
  return `{"widgets":[\n${widgets.map((widget) => JSON.stringify(widget)).join(',\n')}\n]}\n`;
}

if (process.argv[1]?.endsWith('dashboard-file.ts')) {
  process.stdout.write(dashboardFile());
}
