# The meter's authorizer of an HTTP API.

locals {
  # arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME:ALIAS
  function = split(":", var.authorizer_arn)
}

resource "aws_apigatewayv2_authorizer" "meter" {
  api_id                            = var.api_id
  name                              = "usage-meter"
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = "arn:${local.function[1]}:apigateway:${local.function[3]}:lambda:path/2015-03-31/functions/${var.authorizer_arn}/invocations"
  authorizer_payload_format_version = "2.0"
  authorizer_result_ttl_in_seconds  = 0
  enable_simple_responses           = true
  identity_sources                  = ["$request.header.x-api-key"]
}

resource "aws_lambda_permission" "meter" {
  action        = "lambda:InvokeFunction"
  function_name = local.function[6]
  qualifier     = local.function[7]
  principal     = "apigateway.amazonaws.com"
  source_arn    = "arn:${local.function[1]}:execute-api:${local.function[3]}:${local.function[4]}:${var.api_id}/authorizers/${aws_apigatewayv2_authorizer.meter.id}"

  lifecycle {
    # Terraform knows the ARN only after an update of the meter, and replaces the permission.
    create_before_destroy = true
  }
}
