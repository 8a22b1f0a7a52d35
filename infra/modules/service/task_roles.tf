locals {
  trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TasksOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account }
        ArnLike      = { "aws:SourceArn" = "arn:aws:ecs:${var.region}:${var.account}:*" }
      }
    }]
  })
  secrets = [for name in var.service.secrets : var.secret_arns[name]]
}

# --- What ECS needs to start a task: its image, its logs, the secrets that it names.
resource "aws_iam_role" "execution" {
  name                 = "${local.family}-execution"
  permissions_boundary = var.boundary
  assume_role_policy   = local.trust
}

resource "aws_iam_role_policy" "execution" {
  name = "start"
  role = aws_iam_role.execution.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "LogIn"
          Effect   = "Allow"
          Action   = "ecr:GetAuthorizationToken"
          Resource = "*"
        },
        {
          Sid      = "PullItsImage"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = "arn:aws:ecr:${var.region}:${var.account}:repository/${var.app}/${var.name}"
        },
        {
          Sid      = "WriteItsLogs"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "${aws_cloudwatch_log_group.this.arn}:log-stream:*"
        },
      ],
      [for statement in [
        {
          Sid      = "ReadItsSecrets"
          Effect   = "Allow"
          Action   = "secretsmanager:GetSecretValue"
          Resource = local.secrets
        },
        {
          Sid       = "DecryptSecrets"
          Effect    = "Allow"
          Action    = "kms:Decrypt"
          Resource  = var.cluster.key_arn
          Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } }
        },
      ] : statement if length(local.secrets) > 0],
    )
  })
}

# --- What the program itself may do. A service without a model and a database may do nothing.
resource "aws_iam_role" "task" {
  name                 = "${local.family}-task"
  permissions_boundary = var.boundary
  assume_role_policy   = local.trust
}

resource "aws_iam_role_policy" "model" {
  for_each = toset(var.service.model ? ["this"] : [])
  name     = "model"
  role     = aws_iam_role.task.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
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
        Sid      = "ReadVersion"
        Effect   = "Allow"
        Action   = "ssm:GetParameter"
        Resource = "arn:aws:ssm:${var.region}:${var.account}:parameter/${var.app}/${var.environment}/model-version"
      },
      {
        Sid      = "Capture"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "arn:aws:s3:::${var.buckets.monitoring}/${var.environment}/capture/*"
      },
      {
        Sid       = "UseTheBucketsKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.app_key_arn
        Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
      },
    ]
  })
}

# What came true of predictions, for monitors: written, never read.
resource "aws_iam_role_policy" "labels" {
  for_each = toset(var.service.labels ? ["this"] : [])
  name     = "labels"
  role     = aws_iam_role.task.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteLabels"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "arn:aws:s3:::${var.buckets.monitoring}/${var.environment}/ground-truth/*"
      },
      {
        Sid       = "UseTheBucketsKey"
        Effect    = "Allow"
        Action    = "kms:GenerateDataKey"
        Resource  = var.app_key_arn
        Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
      },
    ]
  })
}

# The service that offers bundles to devices: it reads them and the offer, and says what became of them.
resource "aws_iam_role_policy" "bundles" {
  for_each = toset(var.service.updates ? ["this"] : [])
  name     = "bundles"
  role     = aws_iam_role.task.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadBundles"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = ["arn:aws:s3:::${var.buckets.bundles}/*/bundle.zip", "arn:aws:s3:::${var.buckets.bundles}/*/metadata.json"]
      },
      {
        Sid      = "SeeThatABundleIsMissing"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:aws:s3:::${var.buckets.bundles}"
      },
      {
        Sid      = "ReadTheOffer"
        Effect   = "Allow"
        Action   = "ssm:GetParameter"
        Resource = "arn:aws:ssm:${var.region}:${var.account}:parameter/${var.app}/${var.environment}/app-bundles"
      },
      {
        Sid      = "ReportCounts"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "arn:aws:s3:::${var.buckets.bundles}/counts/${var.environment}/*"
      },
      {
        Sid       = "UseTheBucketsKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.app_key_arn
        Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_iam_role_policy" "database" {
  for_each = toset(var.service.database == null ? [] : ["this"])
  name     = "database"
  role     = aws_iam_role.task.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadThePassword"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = var.database_secret_arn
      },
      {
        Sid       = "DecryptThePassword"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = var.cluster.key_arn
        Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } }
      },
    ]
  })
}

# --- What ECS may shift for this service: its rule, and which tasks are behind its two target groups.
resource "aws_iam_role_policy" "shift" {
  for_each = toset(length(local.sides) == 0 ? [] : ["this"])
  name     = var.name
  role     = var.cluster.infrastructure_role

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Look"
        Effect = "Allow"
        Action = [
          "elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeRules",
          "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth",
        ]
        Resource = "*"
      },
      {
        Sid      = "ShiftItsRule"
        Effect   = "Allow"
        Action   = "elasticloadbalancing:ModifyRule"
        Resource = [for rule in aws_lb_listener_rule.this : rule.arn]
      },
      {
        Sid      = "RegisterItsTasks"
        Effect   = "Allow"
        Action   = ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"]
        Resource = [for side in aws_lb_target_group.side : side.arn]
      },
    ]
  })
}
