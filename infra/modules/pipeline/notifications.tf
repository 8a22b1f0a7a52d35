# The support area of the pipeline: questions that wait for an answer, and runs that failed.
resource "aws_sns_topic" "pipeline" {
  name              = "${var.app}-pipeline"
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_policy" "pipeline" {
  arn = aws_sns_topic.pipeline.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "EventsTell"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.pipeline.arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })
}

resource "aws_sns_topic_subscription" "pipeline" {
  for_each  = toset(var.subscribers)
  topic_arn = aws_sns_topic.pipeline.arn
  protocol  = startswith(each.key, "https://") ? "https" : "email"
  endpoint  = each.key
}

resource "aws_cloudwatch_event_rule" "failed" {
  name        = "${var.app}-pipeline-failed"
  description = "A pipeline of ${var.app} failed"

  event_pattern = jsonencode({
    source      = ["aws.codepipeline"]
    detail-type = ["CodePipeline Pipeline Execution State Change"]
    detail      = { state = ["FAILED"], pipeline = [for name in keys(var.environments) : "${var.app}-${name}"] }
  })
}

resource "aws_cloudwatch_event_target" "failed" {
  rule = aws_cloudwatch_event_rule.failed.name
  arn  = aws_sns_topic.pipeline.arn
}
