variable "stack_name" {
  description = "The name of the stack. Null for usage-meter-ENVIRONMENT"
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the stack and of its resources"
  type        = map(string)
  default     = {}
}
