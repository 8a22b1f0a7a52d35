# All environments may live in one account, so each has a group of its own below the service's name.
resource "aws_cloudwatch_log_group" "this" {
  name              = "${var.service.log_group}/${var.environment}"
  retention_in_days = var.log_days
  kms_key_id        = var.cluster.key_arn
}
