import { readDeployment } from './deployment';
import { line, verify } from './verify';

/** Checks a deployed stack: `tsx verify/main.ts STACK`. */
async function main(): Promise<void> {
  const [stackName] = process.argv.slice(2);
  if (stackName === undefined) {
    throw new Error('Name the stack to verify.');
  }
  const findings = await verify(await readDeployment(stackName));
  findings.forEach((finding) => console.log(line(finding)));
  const failed = findings.filter(({ problems }) => problems.length > 0);
  console.log(`\n${findings.length - failed.length} of ${findings.length} resources are as they should be.`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

main().catch((error: Error) => {
  console.error(`verify: ${error.message}`);
  process.exitCode = 2;
});
