import { FunctionUrlAuthType, InvokeMode } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { FunctionSettings } from '../function-settings';
import { portalFrameAncestors, portalPublicKeys } from '../portal-settings';
import { MeterSettings } from '../settings';
import { MeterFunction } from './meter-function';
import { UsagePipeline } from './usage-pipeline';
import { allowReadingUsage, usageSources } from './usage-reader';

/** The reserved concurrency of the usage page. A function URL accepts ten times as many requests a second. Source: Lambda
 * Developer Guide, "Creating and managing Lambda function URLs", throttling. */
export const PORTAL_CONCURRENCY = 10;

export interface UsagePortalProps {
  readonly settings: MeterSettings;
  /** The pipeline whose ledger the function reads. */
  readonly pipeline: UsagePipeline;
  /** The public keys whose signatures the function accepts, one to four: P-256 keys as base64 of their
   * `SubjectPublicKeyInfo`, or as PEM. The private keys stay with the signers. */
  readonly publicKeys: string[];
  /** The origins of pages that may embed the usage page, for example `https://app.example.com`. Default: none. */
  readonly frameAncestors?: string[];
  /** The reserved concurrency of the function. It bounds what a flood of requests costs and takes from the other
   * functions of the account; 0 refuses all requests. Default: 10. An account has to keep 100 units unreserved. */
  readonly reservedConcurrency?: number;
  /** `true` to reserve no concurrency, in an account whose quota is too small for it. A flood can then take the
   * concurrency of the authorizer. Default: `false`. */
  readonly isUnreserved?: boolean;
}

/** The function that serves the usage page of a customer, and its data, at a public URL. It answers only requests whose
 * token verifies with a public key, and holds no secret. */
export class UsagePortal extends MeterFunction {
  /** The URL of the page, with a slash at its end. */
  readonly url: string;

  constructor(scope: Construct, id: string, props: UsagePortalProps) {
    const { settings, pipeline, publicKeys, frameAncestors } = props;
    super(scope, id, {
      settings,
      service: 'usage-portal',
      description: 'Serves the usage page of a customer',
      reservedConcurrency: concurrencyOf(props),
      functionSettings: {
        ...usageSources(pipeline),
        portalPublicKeys: portalPublicKeys(publicKeys),
        portalFrameAncestors: portalFrameAncestors(frameAncestors ?? []),
      } satisfies FunctionSettings<'usage-portal'>,
    });
    allowReadingUsage(this, pipeline);
    // The page is of the same origin as its data, so there is no CORS. CDK adds both permissions of a public URL.
    const { url } = this.live.addFunctionUrl({ authType: FunctionUrlAuthType.NONE, invokeMode: InvokeMode.BUFFERED });
    this.url = url;
    acknowledge(this, { 'Serverless::Serverless-LambdaDLQ': 'It is only invoked synchronously.' });
  }
}

function concurrencyOf({ reservedConcurrency, isUnreserved }: UsagePortalProps): number | undefined {
  if (isUnreserved !== true) return reservedConcurrency ?? PORTAL_CONCURRENCY;
  if (reservedConcurrency === undefined) return undefined;
  throw new Error(
    'The usage page has a reserved concurrency and is unreserved: omit reservedConcurrency or isUnreserved.',
  );
}
