import { exampleUrl } from './called-api';
import { readDeployment } from './deployment';

/** Prints the URL of the example API of a deployed stack: `tsx verify/api-url.ts STACK`. */
async function main(stack: string): Promise<void> {
  const url = exampleUrl(await readDeployment(stack));
  if (url === undefined) throw new Error(`The stack ${stack} has no output with the URL of an API.`);
  console.log(url);
}

main(process.argv[2]!).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
