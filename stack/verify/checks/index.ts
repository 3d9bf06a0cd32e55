import { Resource } from '../deployment';
import { Problems } from '../expect';
import { Waits } from '../waits';
import * as access from './access';
import * as functions from './functions';
import * as gateway from './gateway';
import * as http from './http-gateway';
import * as logs from './logs';
import * as messages from './messages';
import * as storage from './storage';
import * as watching from './watching';

/** Checks a resource and returns its problems. `addNote` adds a remark about a correct but unfinished change. */
export type Check = (resource: Resource, waits: Waits, addNote: (note: string) => void) => Promise<Problems>;

/** The check of each type of resource. A resource of another type is reported as a problem. */
export const CHECKS: Record<string, Check> = {
  'AWS::ApiGateway::Account': gateway.account,
  'AWS::ApiGateway::Authorizer': gateway.authorizer,
  'AWS::ApiGateway::Deployment': gateway.deployment,
  'AWS::ApiGateway::GatewayResponse': gateway.gatewayResponse,
  'AWS::ApiGateway::Method': gateway.method,
  'AWS::ApiGateway::RequestValidator': gateway.requestValidator,
  'AWS::ApiGateway::Resource': gateway.path,
  'AWS::ApiGateway::RestApi': gateway.restApi,
  'AWS::ApiGateway::Stage': gateway.stage,
  'AWS::ApiGatewayV2::Api': http.httpApi,
  'AWS::ApiGatewayV2::Authorizer': http.authorizer,
  'AWS::ApiGatewayV2::Integration': http.integration,
  'AWS::ApiGatewayV2::Route': http.route,
  'AWS::ApiGatewayV2::Stage': http.stage,
  'AWS::CloudWatch::Alarm': watching.alarm,
  'AWS::CloudWatch::Dashboard': watching.dashboard,
  'AWS::CodeDeploy::Application': watching.application,
  'AWS::CodeDeploy::DeploymentGroup': watching.deploymentGroup,
  'AWS::DynamoDB::Table': storage.table,
  'AWS::Events::Rule': watching.rule,
  'AWS::IAM::Policy': access.policy,
  'AWS::IAM::Role': access.role,
  'AWS::Kinesis::Stream': storage.stream,
  'AWS::Lambda::Alias': functions.alias,
  'AWS::Lambda::EventSourceMapping': functions.eventSourceMapping,
  'AWS::Lambda::Function': functions.lambdaFunction,
  'AWS::Lambda::Permission': functions.permission,
  'AWS::Lambda::Url': functions.functionUrl,
  'AWS::Lambda::Version': functions.version,
  'AWS::Logs::LogGroup': logs.logGroup,
  'AWS::Logs::MetricFilter': logs.metricFilter,
  'AWS::Logs::SubscriptionFilter': logs.subscriptionFilter,
  'AWS::S3::Bucket': storage.bucket,
  'AWS::S3::BucketPolicy': storage.bucketPolicy,
  'AWS::SNS::Subscription': messages.subscription,
  'AWS::SNS::Topic': messages.topic,
  'AWS::SNS::TopicPolicy': messages.topicPolicy,
  'AWS::SQS::Queue': messages.queue,
  'AWS::SQS::QueuePolicy': messages.queuePolicy,
};
