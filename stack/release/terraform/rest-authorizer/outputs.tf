output "authorizer_id" {
  description = "The id of the authorizer, for the methods of the API"
  value       = aws_api_gateway_authorizer.meter.id
}
