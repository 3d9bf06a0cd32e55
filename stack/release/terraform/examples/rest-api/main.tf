# A REST API whose calls the meter admits and counts. API Gateway needs the role of the account with which it writes
# logs, once per region (aws_api_gateway_account).

terraform {
  required_version = ">= 1.3"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0, < 7.0"
    }
  }
}

variable "artifacts_bucket" {
  description = "The S3 bucket with the template and the zip files of the functions"
  type        = string
}

variable "backend_url" {
  description = "The URL that answers the calls"
  type        = string
}

module "meter" {
  source = "../../meter"

  artifacts_bucket = var.artifacts_bucket
}

module "authorizer" {
  source = "../../rest-authorizer"

  rest_api_id    = aws_api_gateway_rest_api.orders.id
  authorizer_arn = module.meter.authorizer_arn
}

resource "aws_api_gateway_rest_api" "orders" {
  name = "orders"

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_resource" "orders" {
  rest_api_id = aws_api_gateway_rest_api.orders.id
  parent_id   = aws_api_gateway_rest_api.orders.root_resource_id
  path_part   = "orders"
}

resource "aws_api_gateway_method" "orders" {
  rest_api_id   = aws_api_gateway_rest_api.orders.id
  resource_id   = aws_api_gateway_resource.orders.id
  http_method   = "GET"
  authorization = "CUSTOM"
  authorizer_id = module.authorizer.authorizer_id
}

resource "aws_api_gateway_integration" "backend" {
  rest_api_id             = aws_api_gateway_rest_api.orders.id
  resource_id             = aws_api_gateway_resource.orders.id
  http_method             = aws_api_gateway_method.orders.http_method
  type                    = "HTTP_PROXY"
  integration_http_method = "GET"
  uri                     = var.backend_url
}

resource "aws_api_gateway_deployment" "orders" {
  rest_api_id = aws_api_gateway_rest_api.orders.id

  triggers = {
    # A stage uses changed methods only after a new deployment.
    methods = sha1(jsonencode([
      aws_api_gateway_resource.orders,
      aws_api_gateway_method.orders,
      aws_api_gateway_integration.backend,
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "live" {
  rest_api_id   = aws_api_gateway_rest_api.orders.id
  deployment_id = aws_api_gateway_deployment.orders.id
  stage_name    = "live"

  access_log_settings {
    destination_arn = module.meter.access_log_group_arn
    format          = module.meter.rest_access_log_format
  }
}

output "url" {
  value = "${aws_api_gateway_stage.live.invoke_url}/orders"
}
