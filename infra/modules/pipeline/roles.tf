# --- The pipeline of one branch: hands artifacts on, starts its own projects, asks its question.
resource "aws_iam_role" "pipeline" {
  for_each             = var.environments
  name                 = "${var.app}-${each.key}-pipeline"
  permissions_boundary = var.boundary
  assume_role_policy   = local.trust["codepipeline"]
}

resource "aws_iam_role_policy" "pipeline" {
  for_each = var.environments
  name     = "pipeline"
  role     = aws_iam_role.pipeline[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.artifacts, local.connect, [
      {
        Sid    = "StartItsProjects"
        Effect = "Allow"
        Action = ["codebuild:StartBuild", "codebuild:BatchGetBuilds"]
        Resource = concat(
          [for project in concat(values(aws_codebuild_project.build), values(aws_codebuild_project.bundle)) : project.arn],
          [for program in concat(["release"], [for step in each.value.path : "${step}-rollout"]) : aws_codebuild_project.program[program].arn],
        )
      },
      {
        Sid      = "Ask"
        Effect   = "Allow"
        Action   = "sns:Publish"
        Resource = aws_sns_topic.pipeline.arn
      },
    ])
  })
}

# --- The build of one service: pushes to its own repository. Nothing of ECS, no secret.
resource "aws_iam_role" "build" {
  for_each             = var.services
  name                 = "${var.app}-build-${each.key}"
  permissions_boundary = var.boundary
  assume_role_policy   = local.trust["codebuild"]
}

resource "aws_iam_role_policy" "build" {
  for_each = var.services
  name     = "build"
  role     = aws_iam_role.build[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.artifacts, local.connect, [
      {
        Sid      = "WriteItsLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.build[each.key].arn}:log-stream:*"
      },
      {
        Sid      = "LogIn"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid    = "PushItsImage"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
          "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = aws_ecr_repository.service[each.key].arn
      },
      {
        Sid      = "ReportTests"
        Effect   = "Allow"
        Action   = ["codebuild:CreateReportGroup", "codebuild:CreateReport", "codebuild:UpdateReport", "codebuild:BatchPutTestCases"]
        Resource = "arn:aws:codebuild:${local.arn}:report-group/${var.app}-${each.key}-build-*"
      },
    ])
  })
}

# --- The release: writes one object.
resource "aws_iam_role" "release" {
  name                 = "${var.app}-release"
  permissions_boundary = var.boundary
  assume_role_policy   = local.trust["codebuild"]
}

resource "aws_iam_role_policy" "release" {
  name = "release"
  role = aws_iam_role.release.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.artifacts, local.connect, local.program_logs["release"], [
      {
        Sid      = "WriteReleases"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = "arn:aws:s3:::${var.buckets.releases}/r*.json"
      },
      {
        Sid      = "NumberReleases"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:aws:s3:::${var.buckets.releases}"
      },
      {
        Sid      = "ReadModelVersions"
        Effect   = "Allow"
        Action   = "ssm:GetParameter"
        Resource = [for name in keys(var.environments) : "arn:aws:ssm:${local.arn}:parameter/${var.app}/${name}/model-version"]
      },
      {
        Sid      = "ReadModels"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = ["arn:aws:s3:::${var.buckets.models}/*/metadata.json", "arn:aws:s3:::${var.buckets.models}/latest"]
      },
      {
        Sid      = "SeeThatAModelIsMissing"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:aws:s3:::${var.buckets.models}"
      },
    ])
  })
}

# --- The rollout of one environment: that environment's services and nothing of another's.
resource "aws_iam_role" "rollout" {
  for_each             = var.environments
  name                 = "${var.app}-${each.key}-rollout"
  permissions_boundary = var.boundary
  assume_role_policy   = local.trust["codebuild"]
}

resource "aws_iam_role_policy" "rollout" {
  for_each = var.environments
  name     = "rollout"
  role     = aws_iam_role.rollout[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.artifacts, local.connect, local.program_logs["${each.key}-rollout"], [for statement in [
      {
        Sid      = "RegisterTaskDefinitions"
        Effect   = "Allow"
        Action   = "ecs:RegisterTaskDefinition"
        Resource = [for service in keys(var.services) : "arn:aws:ecs:${local.arn}:task-definition/${var.app}-${each.key}-${service}*:*"]
      },
      {
        Sid      = "UpdateServices"
        Effect   = "Allow"
        Action   = ["ecs:DescribeServices", "ecs:ListServiceDeployments", "ecs:UpdateService"]
        Resource = "arn:aws:ecs:${local.arn}:service/${var.app}-${each.key}/*"
      },
      {
        Sid    = "SteerRollouts"
        Effect = "Allow"
        Action = ["ecs:ContinueServiceDeployment", "ecs:DescribeServiceDeployments", "ecs:StopServiceDeployment"]
        Resource = [
          "arn:aws:ecs:${local.arn}:service/${var.app}-${each.key}/*",
          "arn:aws:ecs:${local.arn}:service-deployment/${var.app}-${each.key}/*/*",
        ]
      },
      {
        Sid    = "ReadWhatRuns"
        Effect = "Allow"
        Action = "ecs:DescribeServiceRevisions"
        Resource = [
          "arn:aws:ecs:${local.arn}:service/${var.app}-${each.key}/*",
          "arn:aws:ecs:${local.arn}:service-revision/${var.app}-${each.key}/*/*",
        ]
      },
      {
        Sid      = "ReadTasks"
        Effect   = "Allow"
        Action   = "ecs:DescribeTasks"
        Resource = "arn:aws:ecs:${local.arn}:task/${var.app}-${each.key}/*"
      },
      {
        Sid       = "RunMigrations"
        Effect    = "Allow"
        Action    = "ecs:RunTask"
        Resource  = local.one_offs[each.key]
        Condition = { ArnEquals = { "ecs:cluster" = "arn:aws:ecs:${local.arn}:cluster/${var.app}-${each.key}" } }
      },
      {
        Sid      = "LookWhereAwsHasNoResource"
        Effect   = "Allow"
        Action   = ["cloudwatch:GetMetricData", "ecs:DescribeTaskDefinition", "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"]
        Resource = "*"
      },
      {
        Sid       = "ListTasks"
        Effect    = "Allow"
        Action    = "ecs:ListTasks"
        Resource  = "*"
        Condition = { ArnEquals = { "ecs:cluster" = "arn:aws:ecs:${local.arn}:cluster/${var.app}-${each.key}" } }
      },
      {
        Sid    = "HandRolesToTasks"
        Effect = "Allow"
        Action = "iam:PassRole"
        Resource = concat(
          flatten([for service in keys(var.services) : [for use in ["task", "execution"] : "arn:aws:iam::${var.account}:role/${var.app}-${each.key}-${service}-${use}"]]),
          ["arn:aws:iam::${var.account}:role/${var.app}-${each.key}-database-task"],
        )
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      {
        Sid       = "HandTheShiftToEcs"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = "arn:aws:iam::${var.account}:role/${var.app}-${each.key}-ecs-infrastructure"
        Condition = { StringEquals = { "iam:PassedToService" = "ecs.amazonaws.com" } }
      },
      {
        Sid      = "ReadReleases"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "arn:aws:s3:::${var.buckets.releases}/r*.json"
      },
      {
        Sid      = "KeepItsHistory"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = "arn:aws:s3:::${var.buckets.releases}/${each.key}/*"
      },
      {
        Sid      = "FindReleases"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:aws:s3:::${var.buckets.releases}"
      },
      {
        Sid      = "ReadParameters"
        Effect   = "Allow"
        Action   = ["ssm:GetParameter", "ssm:GetParameterHistory"]
        Resource = "arn:aws:ssm:${local.arn}:parameter/${var.app}/${each.key}/*"
      },
    ] : statement if statement.Sid != "RunMigrations" || length(local.one_offs[each.key]) > 0], local.offer[each.key])
  })
}

locals {
  trust = { for service in ["codepipeline", "codebuild", "events"] : service => jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "ServiceOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "${service}.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  }) }

  # Task definitions of one-off tasks: migrations, and the database's user.
  one_offs = { for name in keys(var.environments) : name => concat(
    [for service, it in var.services : "arn:aws:ecs:${local.arn}:task-definition/${var.app}-${name}-${service}-migrate:*" if it.migrates],
    [for service, it in var.services : "arn:aws:ecs:${local.arn}:task-definition/${var.app}-${name}-${service}-database:*" if it.database != null],
  ) }

  artifacts = [
    {
      Sid      = "HandArtifactsOn"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
      Resource = "arn:aws:s3:::${var.buckets.artifacts}/*"
    },
    {
      Sid      = "FindArtifacts"
      Effect   = "Allow"
      Action   = ["s3:GetBucketLocation", "s3:ListBucket"]
      Resource = "arn:aws:s3:::${var.buckets.artifacts}"
    },
    {
      Sid      = "UseTheKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = var.key_arn
    },
  ]

  # The source, and a full clone of it in each action.
  connect = [for statement in [
    {
      Sid      = "CloneByTheConnection"
      Effect   = "Allow"
      Action   = "codeconnections:UseConnection"
      Resource = var.source_code.connection
    },
    {
      Sid      = "CloneFromCodeCommit"
      Effect   = "Allow"
      Action   = ["codecommit:GetBranch", "codecommit:GetCommit", "codecommit:GetUploadArchiveStatus", "codecommit:GitPull", "codecommit:UploadArchive"]
      Resource = [for repository in values(local.sources) : "arn:aws:codecommit:${local.arn}:${repository}"]
    },
  ] : statement if(statement.Sid == "CloneFromCodeCommit") == local.codecommit]

  program_logs = { for name in keys(local.programs_named) : name => [{
    Sid      = "WriteItsLogs"
    Effect   = "Allow"
    Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = "arn:aws:logs:${local.arn}:log-group:/aws/codebuild/${var.app}-${name}:log-stream:*"
  }] }
  programs_named = merge({ release = null }, { for name in keys(var.environments) : "${name}-rollout" => null })
}
