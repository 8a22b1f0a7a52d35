locals {
  areas = toset(["api", "model", "infrastructure"])
  subscriptions = { for pair in flatten([for area, list in var.subscribers : [for who in list : { area = area, who = who }]]) :
    "${pair.area} ${pair.who}" => pair
  }
}

# One topic for each support area; docs/aws/runbook.md of Shipway says who is behind it and what each alarm means.
resource "aws_sns_topic" "area" {
  for_each          = local.areas
  name              = "${local.name}-${each.key}"
  kms_master_key_id = module.key.arn
}

resource "aws_sns_topic_policy" "area" {
  for_each = aws_sns_topic.area
  arn      = each.value.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsTell"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = each.value.arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })
}

resource "aws_sns_topic_subscription" "area" {
  for_each  = local.subscriptions
  topic_arn = aws_sns_topic.area[each.value.area].arn
  protocol  = startswith(each.value.who, "https://") ? "https" : "email"
  endpoint  = each.value.who
}
