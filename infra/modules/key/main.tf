resource "aws_kms_key" "this" {
  description             = var.description
  enable_key_rotation     = true
  deletion_window_in_days = 30

  # In a key's policy, Resource * is the key itself.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "AccountDecides"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${var.account}:root" }
        Action    = "kms:*"
        Resource  = "*"
      }],
      [for region in var.logs_region == null ? [] : [var.logs_region] : {
        Sid       = "LogsEncrypt"
        Effect    = "Allow"
        Principal = { Service = "logs.${region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:DescribeKey"]
        Resource  = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:${region}:${var.account}:log-group:*" } }
      }],
      # Without a condition, as AWS documents it: these services name no account when they ask for the key.
      [for services in [var.publishers] : {
        Sid       = "PublishersEncrypt"
        Effect    = "Allow"
        Principal = { Service = services }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
      } if length(services) > 0],
    )
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}
