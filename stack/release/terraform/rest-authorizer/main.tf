# The meter's authorizer of a REST API.

locals {
  # arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME:ALIAS
  function = split(":", var.authorizer_arn)
}

resource "aws_api_gateway_authorizer" "meter" {
  rest_api_id                      = var.rest_api_id
  name                             = "usage-meter"
  type                             = "REQUEST"
  authorizer_uri                   = "arn:${local.function[1]}:apigateway:${local.function[3]}:lambda:path/2015-03-31/functions/${var.authorizer_arn}/invocations"
  authorizer_result_ttl_in_seconds = 0
  # The provider cannot leave it empty (hashicorp/terraform-provider-aws, issue 39689).
  identity_source = "method.request.header.x-api-key"
}

resource "aws_lambda_permission" "meter" {
  action        = "lambda:InvokeFunction"
  function_name = local.function[6]
  qualifier     = local.function[7]
  principal     = "apigateway.amazonaws.com"
  source_arn    = "arn:${local.function[1]}:execute-api:${local.function[3]}:${local.function[4]}:${var.rest_api_id}/authorizers/${aws_api_gateway_authorizer.meter.id}"

  lifecycle {
    # Terraform knows the ARN only after an update of the meter, and replaces the permission.
    create_before_destroy = true
  }
}
