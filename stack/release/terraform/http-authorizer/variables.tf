variable "authorizer_arn" {
  description = "The output authorizer_arn of the meter, which is in the account and region of the API"
  type        = string
  nullable    = false

  validation {
    condition     = length(split(":", var.authorizer_arn)) == 8
    error_message = "The value of authorizer_arn has to be the ARN of an alias, arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME:ALIAS."
  }
}

variable "api_id" {
  description = "The id of the HTTP API"
  type        = string
  nullable    = false
}
