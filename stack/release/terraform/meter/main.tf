# The stack of the usage meter. The bucket has to have the template beside the zip files of the functions.

data "aws_s3_bucket" "artifacts" {
  bucket = var.artifacts_bucket
}

resource "aws_cloudformation_stack" "meter" {
  name = coalesce(var.stack_name, "usage-meter-${var.environment}")
  # Terraform notices another URL, but no other content of the same. The prefix has the version.
  template_url = "https://${data.aws_s3_bucket.artifacts.bucket_regional_domain_name}/${var.artifacts_prefix}usage-meter-production.template.json"
  parameters   = local.parameters
  capabilities = ["CAPABILITY_IAM"]
  tags         = var.tags

  timeouts {
    # CodeDeploy moves the calls to a new version gradually, function by function. The default is 30 minutes.
    update = "2h"
  }
}
