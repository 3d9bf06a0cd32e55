import { Node } from 'constructs';
import { ApiKind } from './access-log';

/** The example API that is put in front of a meter. */
export interface ExampleOptions {
  readonly example: ApiKind | 'none';
  readonly writesAccountRole: boolean;
}

const EXAMPLES: readonly string[] = ['rest', 'http', 'none'];
const SWITCH: readonly string[] = ['yes', 'no'];

/** Reads the context `example` (`rest` where it is not given) and `account-role` (`no`). Throws an error that
 * names a value that there is not. */
export function exampleOptions(node: Node): ExampleOptions {
  const example = oneOf(node, 'example', EXAMPLES, 'rest');
  const writesAccountRole = oneOf(node, 'account-role', SWITCH, 'no');
  return { example: example as ExampleOptions['example'], writesAccountRole: writesAccountRole === 'yes' };
}

function oneOf(node: Node, name: string, values: readonly string[], otherwise: string): string {
  const value = String(node.tryGetContext(name) ?? otherwise);
  if (!values.includes(value)) {
    throw new Error(`The context ${name} cannot be ${JSON.stringify(value)}: set it to one of ${values.join(', ')}, or leave it out.`);
  }
  return value;
}
