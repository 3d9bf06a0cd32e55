/** The constructs as a library. README.md has examples. */
export * from './access-log';
export * from './constructs/alarm-rules';
export * from './constructs/api-key-authorizer';
export * from './constructs/example-api';
export * from './constructs/example-http-api';
export * from './constructs/gradual-deployment';
export * from './constructs/invalidation';
export * from './constructs/reconciliation';
export * from './constructs/usage-alarms';
export * from './constructs/usage-canary';
export * from './constructs/usage-dashboard';
export * from './constructs/usage-endpoint';
export * from './constructs/usage-pipeline';
export * from './function-settings';
export * from './metered-stage';
export * from './settings';
export * from './unbilled-routes';
export { MeterFunction } from './constructs/meter-function';
