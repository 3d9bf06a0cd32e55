"""The first program of stack/README.md in Python."""

import jsii
from aws_cdk import App, Stack
from aws_cdk.aws_apigateway import (
    LambdaIntegration,
    LogGroupLogDestination,
    MethodOptions,
    MockIntegration,
    RestApi,
    StageOptions,
)
from aws_cdk.aws_apigatewayv2 import HttpApi, HttpMethod, HttpStage, IAccessLogSettings
from aws_cdk.aws_apigatewayv2 import LogGroupLogDestination as HttpLogDestination
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration, HttpUrlIntegration
from aws_cdk.aws_lambda import Architecture
from aws_cdk.aws_logs import RetentionDays
from usage_meter_stack import (
    ApiKeyAuthorizer,
    Invalidation,
    MeterAccessLogFormat,
    MeterSettings,
    Reconciliation,
    UsageEndpoint,
    UsagePipeline,
)

settings = MeterSettings(
    environment="dev",
    binaries="target/lambda",
    architecture=Architecture.ARM_64,
    protects_data=False,
    log_retention=RetentionDays.TWO_WEEKS,
)
app = App()
stack = Stack(app, "Meter")
pipeline = UsagePipeline(stack, "Pipeline", settings=settings)
Reconciliation(stack, "Reconciliation", settings=settings, pipeline=pipeline)
invalidation = Invalidation(stack, "Invalidation", settings=settings)
keys = ApiKeyAuthorizer(
    stack, "Keys", settings=settings, invalidation=invalidation, usage_table=pipeline.usage_table
)
usage = UsageEndpoint(stack, "UsageEndpoint", settings=settings, pipeline=pipeline)

orders = RestApi(
    stack,
    "Orders",
    cloud_watch_role=False,
    default_method_options=MethodOptions(authorizer=keys.rest_authorizer),
    deploy_options=StageOptions(
        access_log_destination=LogGroupLogDestination(pipeline.access_log_group),
        access_log_format=MeterAccessLogFormat.rest(),
    ),
)
orders.root.add_resource("orders").add_method("GET", MockIntegration())
orders.root.add_resource("usage").add_method("GET", LambdaIntegration(usage.live))



@jsii.implements(IAccessLogSettings)
class AccessLog:
    """CDK has no struct for the access log of an HTTP API."""

    @property
    def destination(self):
        return HttpLogDestination(pipeline.access_log_group)

    @property
    def format(self):
        return MeterAccessLogFormat.http()


parcels = HttpApi(stack, "Parcels", create_default_stage=False, default_authorizer=keys.http_authorizer)
HttpStage(
    stack,
    "Live",
    http_api=parcels,
    auto_deploy=True,
    access_log_settings=AccessLog(),
)
backend = HttpUrlIntegration("Backend", "https://parcels.example.com")
parcels.add_routes(path="/parcels", methods=[HttpMethod.GET], integration=backend)
parcels.add_routes(
    path="/usage", methods=[HttpMethod.GET], integration=HttpLambdaIntegration("Usage", usage.live)
)
app.synth()
