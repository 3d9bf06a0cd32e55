# An HTTP API whose calls the meter admits and counts.

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
  source = "../../http-authorizer"

  api_id         = aws_apigatewayv2_api.parcels.id
  authorizer_arn = module.meter.authorizer_arn
}

resource "aws_apigatewayv2_api" "parcels" {
  name          = "parcels"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "backend" {
  api_id             = aws_apigatewayv2_api.parcels.id
  integration_type   = "HTTP_PROXY"
  integration_method = "GET"
  integration_uri    = var.backend_url
}

resource "aws_apigatewayv2_route" "parcels" {
  api_id             = aws_apigatewayv2_api.parcels.id
  route_key          = "GET /parcels"
  target             = "integrations/${aws_apigatewayv2_integration.backend.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = module.authorizer.authorizer_id
}

resource "aws_apigatewayv2_stage" "live" {
  api_id      = aws_apigatewayv2_api.parcels.id
  name        = "live"
  auto_deploy = true

  access_log_settings {
    destination_arn = module.meter.access_log_group_arn
    format          = module.meter.http_access_log_format
  }
}

output "url" {
  value = "${aws_apigatewayv2_stage.live.invoke_url}/parcels"
}
