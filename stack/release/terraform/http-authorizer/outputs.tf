output "authorizer_id" {
  description = "The id of the authorizer, for the routes of the API"
  value       = aws_apigatewayv2_authorizer.meter.id
}
