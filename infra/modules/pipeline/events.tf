# CodeCommit has no triggers of its own: an event of the branch starts its pipeline.
locals {
  pushes = { for pair in setproduct(local.codecommit ? keys(local.sources) : [], keys(var.environments)) :
    join("-", pair) => { source = pair[0], environment = pair[1] }
  }
}

resource "aws_cloudwatch_event_rule" "push" {
  for_each    = local.pushes
  name        = "${var.app}-${each.key}-push"
  description = "A push to ${var.environments[each.value.environment].branch} of ${local.sources[each.value.source]}"

  event_pattern = jsonencode({
    source      = ["aws.codecommit"]
    detail-type = ["CodeCommit Repository State Change"]
    resources   = ["arn:aws:codecommit:${local.arn}:${local.sources[each.value.source]}"]
    detail      = { event = ["referenceCreated", "referenceUpdated"], referenceType = ["branch"], referenceName = [var.environments[each.value.environment].branch] }
  })
}

resource "aws_cloudwatch_event_target" "push" {
  for_each = local.pushes
  rule     = aws_cloudwatch_event_rule.push[each.key].name
  arn      = aws_codepipeline.branch[each.value.environment].arn
  role_arn = aws_iam_role.events["this"].arn
}

resource "aws_iam_role" "events" {
  for_each             = toset(local.codecommit ? ["this"] : [])
  name                 = "${var.app}-events"
  permissions_boundary = var.boundary
  assume_role_policy   = local.trust["events"]
}

resource "aws_iam_role_policy" "events" {
  for_each = aws_iam_role.events
  name     = "start"
  role     = each.value.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "StartPipelines"
      Effect   = "Allow"
      Action   = "codepipeline:StartPipelineExecution"
      Resource = [for pipeline in aws_codepipeline.branch : pipeline.arn]
    }]
  })
}
