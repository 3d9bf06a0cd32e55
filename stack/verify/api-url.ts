import { exampleUrl } from './called-api';
import { readDeployment } from './deployment';

/** Prints where the example of a deployed stack is: `tsx verify/api-url.ts STACK`. */
async function main(stack: string): Promise<void> {
  const url = exampleUrl(await readDeployment(stack));
  if (url === undefined) throw new Error(`The stack ${stack} tells no URL of an API.`);
  console.log(url);
}

main(process.argv[2]!).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
