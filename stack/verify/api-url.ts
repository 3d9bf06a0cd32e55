import { apiUrl, readDeployment } from './deployment';

/** Prints where the API of a deployed stack is: `tsx verify/api-url.ts STACK`. */
async function main(): Promise<void> {
  console.log(apiUrl(await readDeployment(process.argv[2]!)));
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
