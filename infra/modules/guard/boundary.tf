# The most that any role of the app may ever do, whatever its own policy says. It grants nothing by itself.
resource "aws_iam_policy" "boundary" {
  name        = "${var.app}-boundary"
  description = "The most that a role of ${var.app} may do"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "AtMost"
        Effect = "Allow"
        Action = [
          "cloudtrail:LookupEvents",
          "cloudwatch:GetMetricData", "cloudwatch:PutMetricData",
          "codebuild:BatchGetBuilds", "codebuild:BatchGetProjects", "codebuild:ListBuildsForProject", "codebuild:StartBuild", "codebuild:CreateReportGroup", "codebuild:CreateReport",
          "codebuild:UpdateReport", "codebuild:BatchPutTestCases",
          "codecommit:GetBranch", "codecommit:GetCommit", "codecommit:GitPull", "codecommit:UploadArchive",
          "codecommit:GetUploadArchiveStatus",
          "codeconnections:UseConnection",
          "codepipeline:*",
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
          "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage",
          "ecr:UploadLayerPart",
          "ecs:*",
          "elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:Describe*", "elasticloadbalancing:ModifyRule",
          "elasticloadbalancing:RegisterTargets",
          "events:DisableRule", "events:EnableRule",
          "kms:Decrypt", "kms:GenerateDataKey",
          "logs:*",
          "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:PutObject", "s3:GetBucketLocation", "s3:GetBucketAcl",
          "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:DescribeSecret",
          "secretsmanager:ListSecrets", "secretsmanager:DeleteSecret", "secretsmanager:RestoreSecret",
          "sagemaker:InvokeEndpoint",
          "sns:Publish",
          "ssm:GetParameter", "ssm:GetParameters", "ssm:GetParameterHistory", "ssm:PutParameter",
          "xray:PutTraceSegments", "xray:PutTelemetryRecords",
        ]
        Resource  = "*"
        Condition = { StringEquals = { "aws:RequestedRegion" = var.region } }
      },
      {
        Sid       = "HandOnItsOwnRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = "arn:aws:iam::${var.account}:role/${var.app}-*"
        Condition = { StringEquals = { "iam:PassedToService" = ["ecs.amazonaws.com", "ecs-tasks.amazonaws.com"] } }
      },
    ]
  })
}
