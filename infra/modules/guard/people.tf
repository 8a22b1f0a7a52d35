# Roles of people. Each is taken by the named ARNs alone, and only with a second factor.
locals {
  arn      = "${var.region}:${var.account}"
  approved = { for name, environment in var.environments : name => environment if environment.approval }

  roles = merge(
    { for role in ["deployer", "infra"] : "${var.app}-${role}" => role if length(lookup(var.people, role, [])) > 0 },
    { for name in keys(local.approved) : "${var.app}-${name}-approver" => "approver" if length(lookup(var.people, "approver", [])) > 0 },
    { for role in ["model-owner"] : "${var.app}-${role}" => role if length(lookup(var.people, role, [])) > 0 },
  )
}

resource "aws_iam_role" "person" {
  for_each             = local.roles
  name                 = each.key
  max_session_duration = 3600
  # Terraform's own role makes roles, which the boundary forbids: its policy asks for the boundary instead.
  permissions_boundary = each.value == "infra" ? null : aws_iam_policy.boundary.arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "NamedPeople"
      Effect    = "Allow"
      Principal = { AWS = var.people[each.value] }
      Action    = "sts:AssumeRole"
      Condition = { Bool = { "aws:MultiFactorAuthPresent" = "true" } }
    }]
  })
}

# --- deployer: starts pipelines and looks. It writes nothing in ECS, but for stopping rollouts where nobody is asked.
resource "aws_iam_role_policy" "deployer" {
  for_each = { for name, role in local.roles : name => role if role == "deployer" }
  name     = "deploy"
  role     = aws_iam_role.person[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.look, [
      {
        Sid      = "Deploy"
        Effect   = "Allow"
        Action   = ["codepipeline:StartPipelineExecution", "codepipeline:StopPipelineExecution"]
        Resource = "arn:aws:codepipeline:${local.arn}:${var.app}-*"
      },
      {
        Sid      = "Retry"
        Effect   = "Allow"
        Action   = "codepipeline:RetryStageExecution"
        Resource = "arn:aws:codepipeline:${local.arn}:${var.app}-*/*"
      },
    ], local.steer["deployer"], local.look_at_bundles, local.bundles["deployer"])
  })
}

# --- approver of one environment: says yes or no there, and stops, goes on with or takes back its rollout.
resource "aws_iam_role_policy" "approver" {
  for_each = { for name in keys(local.approved) : "${var.app}-${name}-approver" => name if contains(keys(local.roles), "${var.app}-${name}-approver") }
  name     = "approve"
  role     = aws_iam_role.person[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.look, [
      {
        Sid      = "Answer"
        Effect   = "Allow"
        Action   = "codepipeline:PutApprovalResult"
        Resource = [for pipeline in var.environments[each.value].pipelines : "arn:aws:codepipeline:${local.arn}:${pipeline}/${each.value}/approve"]
      }
    ], local.steer[each.value], local.look_at_bundles, local.bundles[each.value])
  })
}

# --- model owner: publishes versions and sets them where no approval is asked for. Where one is, the approver does.
resource "aws_iam_role_policy" "model_owner" {
  for_each = { for name, role in local.roles : name => role if role == "model-owner" }
  name     = "models"
  role     = aws_iam_role.person[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.follow_models, [
      {
        Sid      = "Publish"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "arn:aws:s3:::${var.buckets.models}/*"
      },
      {
        Sid      = "Promote"
        Effect   = "Allow"
        Action   = ["ssm:GetParameter", "ssm:GetParameterHistory", "ssm:PutParameter"]
        Resource = [for name, environment in var.environments : "arn:aws:ssm:${local.arn}:parameter/${var.app}/${name}/model-version" if !environment.approval]
      },
      {
        Sid      = "SayWhy"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = [for name, environment in var.environments : "arn:aws:s3:::${var.buckets.releases}/${name}/audit/*" if !environment.approval]
      },
      local.use_key,
    ])
  })
}

resource "aws_iam_role_policy" "model_approver" {
  for_each = aws_iam_role_policy.approver
  name     = "models"
  role     = each.value.role

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.follow_models, [{
      Sid      = "Promote"
      Effect   = "Allow"
      Action   = ["ssm:GetParameter", "ssm:GetParameterHistory", "ssm:PutParameter"]
      Resource = [for name in keys(local.approved) : "arn:aws:ssm:${local.arn}:parameter/${var.app}/${name}/model-version" if each.key == "${var.app}-${name}-approver"]
      },
      {
        Sid      = "SayWhy"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = [for name in keys(local.approved) : "arn:aws:s3:::${var.buckets.releases}/${name}/audit/*" if each.key == "${var.app}-${name}-approver"]
      },
      {
        # who brings a version to people also approves it, and lets new releases take it
        Sid      = "Decide"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = ["arn:aws:s3:::${var.buckets.models}/*/metadata.json", "arn:aws:s3:::${var.buckets.models}/latest"]
    }])
  })
}

locals {
  use_key = {
    Sid       = "UseTheBucketsKey"
    Effect    = "Allow"
    Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource  = var.app_key_arn
    Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
  }

  # Whose rollouts somebody steers, and whose secrets they set: an approver their own environment's, a deployer those
  # where nobody is asked. No value is ever read.
  steered = merge({ for name in keys(local.approved) : name => [name] }, {
    deployer = [for name, environment in var.environments : name if !environment.approval]
  })
  steer = { for who, names in local.steered : who => [for statement in [
    {
      Sid    = "Steer"
      Effect = "Allow"
      Action = ["ecs:StopServiceDeployment", "ecs:ContinueServiceDeployment"]
      Resource = flatten([for name in names : [
        "arn:aws:ecs:${local.arn}:service/${var.app}-${name}/*",
        "arn:aws:ecs:${local.arn}:service-deployment/${var.app}-${name}/*/*",
      ]])
    },
    {
      Sid      = "Command"
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = [for name in names : "arn:aws:s3:::${var.buckets.releases}/${name}/command.json"]
    },
    {
      Sid      = "GoBack"
      Effect   = "Allow"
      Action   = ["codebuild:StartBuild"]
      Resource = [for name in names : "arn:aws:codebuild:${local.arn}:project/${var.app}-${name}-rollout"]
    },
    local.use_key,
    {
      Sid      = "SetSecrets"
      Effect   = "Allow"
      Action   = ["secretsmanager:DeleteSecret", "secretsmanager:DescribeSecret", "secretsmanager:PutSecretValue", "secretsmanager:RestoreSecret"]
      Resource = [for name in names : "arn:aws:secretsmanager:${local.arn}:secret:/${var.app}/${name}/*"]
    },
    {
      Sid      = "NotTheDatabases"
      Effect   = "Deny"
      Action   = ["secretsmanager:DeleteSecret", "secretsmanager:PutSecretValue"]
      Resource = [for name in names : "arn:aws:secretsmanager:${local.arn}:secret:/${var.app}/${name}/database/*"]
    },
    {
      Sid      = "EncryptSecrets"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = "arn:aws:kms:${local.arn}:key/*"
      Condition = {
        "StringEquals"             = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" }
        "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = [for name in names : "alias/${var.app}-${name}"] }
      }
    },
  ] : statement if length(names) > 0] }

  # Whose bundles somebody promotes, holds and takes back: as they steer rollouts.
  bundles = { for who, names in local.steered : who => [for statement in [
    {
      Sid    = "SayWhatDevicesAreOffered"
      Effect = "Allow"
      Action = "s3:PutObject"
      Resource = flatten([for name in names : [
        "arn:aws:s3:::${var.buckets.releases}/${name}/offering.json", "arn:aws:s3:::${var.buckets.releases}/${name}/audit/*",
      ]])
    },
    {
      Sid      = "TellWhoAnswersThem"
      Effect   = "Allow"
      Action   = "ssm:PutParameter"
      Resource = [for name in names : "arn:aws:ssm:${local.arn}:parameter/${var.app}/${name}/app-bundles"]
    },
    {
      Sid      = "LetTheBundleBeLookedAt"
      Effect   = "Allow"
      Action   = ["events:DisableRule", "events:EnableRule"]
      Resource = [for name in names : "arn:aws:events:${local.arn}:rule/${var.app}-${name}-bundles"]
    },
  ] : statement if length(names) > 0 && var.buckets.bundles != null] }

  look_at_bundles = [for statement in [
    {
      Sid      = "ReadBundles"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = ["arn:aws:s3:::${local.bundles_bucket}/*"]
    },
    {
      Sid      = "ListBundles"
      Effect   = "Allow"
      Action   = "s3:ListBucket"
      Resource = ["arn:aws:s3:::${local.bundles_bucket}"]
    },
    {
      Sid      = "ReadWhatDevicesAreOffered"
      Effect   = "Allow"
      Action   = "ssm:GetParameter"
      Resource = [for name in keys(var.environments) : "arn:aws:ssm:${local.arn}:parameter/${var.app}/${name}/app-bundles"]
    },
  ] : statement if var.buckets.bundles != null]
  bundles_bucket = var.buckets.bundles == null ? "" : var.buckets.bundles

  # What `shipway status`, `runs`, `run`, `logs`, `releases` and `audit` ask.
  look = [
    {
      Sid      = "LookAtPipelines"
      Effect   = "Allow"
      Action   = ["codepipeline:GetPipelineExecution", "codepipeline:GetPipelineState", "codepipeline:ListActionExecutions", "codepipeline:ListPipelineExecutions"]
      Resource = "arn:aws:codepipeline:${local.arn}:${var.app}-*"
    },
    {
      Sid    = "LookAtServices"
      Effect = "Allow"
      Action = ["ecs:DescribeServices", "ecs:ListServiceDeployments"]
      Resource = [
        for name in keys(var.environments) : "arn:aws:ecs:${local.arn}:service/${var.app}-${name}/*"
      ]
    },
    {
      Sid    = "LookAtRollouts"
      Effect = "Allow"
      Action = ["ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions", "ecs:DescribeTasks"]
      Resource = flatten([for name in keys(var.environments) : [for kind in ["service/%s/*", "service-deployment/%s/*/*", "service-revision/%s/*/*", "task/%s/*"] :
        "arn:aws:ecs:${local.arn}:${format(kind, "${var.app}-${name}")}"
      ]])
    },
    {
      Sid      = "LookAtHealth"
      Effect   = "Allow"
      Action   = ["elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth", "cloudwatch:GetMetricData", "ecs:ListTasks"]
      Resource = "*"
    },
    {
      Sid      = "LookAtBuilds"
      Effect   = "Allow"
      Action   = ["codebuild:BatchGetBuilds", "codebuild:BatchGetProjects", "codebuild:ListBuildsForProject"]
      Resource = "arn:aws:codebuild:${local.arn}:project/${var.app}-*"
    },
    {
      Sid      = "ReadTheAuditAndNamesOfSecrets"
      Effect   = "Allow"
      Action   = ["cloudtrail:LookupEvents", "secretsmanager:ListSecrets"]
      Resource = "*"
    },
    {
      Sid      = "ReadLogs"
      Effect   = "Allow"
      Action   = ["logs:FilterLogEvents", "logs:StartLiveTail"]
      Resource = ["arn:aws:logs:${local.arn}:log-group:/ecs/*", "arn:aws:logs:${local.arn}:log-group:/aws/codebuild/*"]
    },
    {
      Sid      = "ReadReleases"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = "arn:aws:s3:::${var.buckets.releases}/*"
    },
    {
      Sid      = "ListReleases"
      Effect   = "Allow"
      Action   = "s3:ListBucket"
      Resource = "arn:aws:s3:::${var.buckets.releases}"
    },
    {
      Sid    = "ReadModelVersionsAndWhatTerraformTells"
      Effect = "Allow"
      Action = ["ssm:GetParameter", "ssm:GetParameters"]
      Resource = flatten([for name in keys(var.environments) : [
        "arn:aws:ssm:${local.arn}:parameter/${var.app}/${name}/model-version",
        "arn:aws:ssm:${local.arn}:parameter/${var.app}/${name}/services/*",
      ]])
    },
    merge(local.use_key, { Sid = "ReadWithTheKey", Action = "kms:Decrypt" }),
  ]
}

# What `shipway model` asks before it changes anything, and to read back what it changed.
locals {
  follow_models = [
    {
      Sid      = "ReadModels"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = "arn:aws:s3:::${var.buckets.models}/*"
    },
    {
      Sid      = "ListModels"
      Effect   = "Allow"
      Action   = "s3:ListBucket"
      Resource = "arn:aws:s3:::${var.buckets.models}"
    },
    {
      Sid      = "ReadVersions"
      Effect   = "Allow"
      Action   = ["ssm:GetParameter", "ssm:GetParameterHistory"]
      Resource = [for name in keys(var.environments) : "arn:aws:ssm:${local.arn}:parameter/${var.app}/${name}/model-version"]
    },
    {
      Sid      = "ReadWhereToAsk"
      Effect   = "Allow"
      Action   = "ssm:GetParameter"
      Resource = [for name in keys(var.environments) : "arn:aws:ssm:${local.arn}:parameter/${var.app}/${name}/services/*"]
    },
    {
      Sid      = "LookAtTasks"
      Effect   = "Allow"
      Action   = ["ecs:DescribeServices", "ecs:DescribeServiceDeployments"]
      Resource = flatten([for name in keys(var.environments) : ["arn:aws:ecs:${local.arn}:service/${var.app}-${name}/*", "arn:aws:ecs:${local.arn}:service-deployment/${var.app}-${name}/*/*"]])
    },
  ]
}
