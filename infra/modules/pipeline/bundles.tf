# The app that devices run: the build of its bundle, and the clock by which bundles on their way out are judged.
locals {
  # What installs Shipway where no source is at hand: the requirement, or what the newest rollout was installed from.
  from_source = startswith(var.shipway, ".")
  program     = "s3://${var.buckets.releases}/$ENVIRONMENT/program.tar"
  looks       = length(var.apps) == 0 ? {} : var.environments
  keep_program = length(var.apps) == 0 || !local.from_source ? [] : [
    "python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir /tmp/program .",
    "tar --create --file /tmp/program.tar --directory /tmp program && aws s3 cp --quiet /tmp/program.tar ${local.program}",
  ]
  install_anywhere = !local.from_source ? [local.install] : [
    "aws s3 cp --quiet ${local.program} /tmp/program.tar && tar --extract --file /tmp/program.tar --directory /tmp",
    "python -m pip install --quiet --disable-pip-version-check \"$(ls /tmp/program/shipway-*.whl)[aws]\"",
  ]
}

# The app's own buildspec.yml: Shipway's build of a bundle, which puts it into the bucket.
resource "aws_codebuild_project" "bundle" {
  for_each       = var.apps
  name           = "${var.app}-${each.key}-bundle"
  description    = "Bundle of ${each.key}"
  service_role   = aws_iam_role.bundle[each.key].arn
  build_timeout  = 30
  queued_timeout = 60
  encryption_key = var.key_arn

  source {
    type      = "CODEPIPELINE"
    buildspec = "${each.value.path}/buildspec.yml"
  }

  artifacts {
    type = "CODEPIPELINE"
  }

  environment {
    type         = local.kind
    compute_type = "BUILD_GENERAL1_SMALL"
    image        = local.image

    environment_variable {
      name  = "APP"
      value = each.key
    }
    environment_variable {
      name  = "SHIPWAY"
      value = var.shipway
    }
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.bundle[each.key].name
    }
  }
}

resource "aws_cloudwatch_log_group" "bundle" {
  for_each          = var.apps
  name              = "/aws/codebuild/${var.app}-${each.key}-bundle"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
}

resource "aws_iam_role" "bundle" {
  for_each             = var.apps
  name                 = "${var.app}-${each.key}-bundle"
  permissions_boundary = var.boundary
  assume_role_policy   = local.trust["codebuild"]
}

resource "aws_iam_role_policy" "bundle" {
  for_each = var.apps
  name     = "build"
  role     = aws_iam_role.bundle[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.artifacts, local.connect, [
      {
        Sid      = "WriteItsLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.bundle[each.key].arn}:log-stream:*"
      },
      {
        Sid      = "PutBundles"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = "arn:aws:s3:::${var.buckets.bundles}/*"
      },
      {
        # It says which bundles there are, and is no way to what tasks report.
        Sid      = "NotTheCounts"
        Effect   = "Deny"
        Action   = "s3:PutObject"
        Resource = "arn:aws:s3:::${var.buckets.bundles}/counts/*"
      },
      {
        Sid      = "FindBundles"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:aws:s3:::${var.buckets.bundles}"
      },
    ])
  })
}

# A look at the bundle on its way: judged by what devices did with it, taken on or taken back.
resource "aws_codebuild_project" "look" {
  for_each               = local.looks
  name                   = "${var.app}-${each.key}-bundles"
  description            = "Judges the bundle that is on its way in ${each.key}"
  service_role           = aws_iam_role.look[each.key].arn
  build_timeout          = 10
  queued_timeout         = 10
  encryption_key         = var.key_arn
  concurrent_build_limit = 1

  source {
    type = "NO_SOURCE"

    buildspec = yamlencode({
      version = 0.2
      env     = { shell = "bash" }
      phases = {
        install = { runtime-versions = { python = "3.12" }, commands = local.install_anywhere }
        build   = { commands = ["python -m shipway.wiring.bundle_program look --environment \"$ENVIRONMENT\""] }
      }
    })
  }

  artifacts {
    type = "NO_ARTIFACTS"
  }

  environment {
    type         = local.kind
    compute_type = "BUILD_GENERAL1_SMALL"
    image        = local.image

    environment_variable {
      name  = "ENVIRONMENT"
      value = each.key
    }
    environment_variable {
      name  = "RELEASES_BUCKET"
      value = var.buckets.releases
    }
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.look[each.key].name
    }
  }
}

resource "aws_cloudwatch_log_group" "look" {
  for_each          = local.looks
  name              = "/aws/codebuild/${var.app}-${each.key}-bundles"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
}

# Off until a bundle is on its way: whoever lets one out turns it on, the look that finds none turns it off.
resource "aws_cloudwatch_event_rule" "look" {
  for_each            = local.looks
  name                = "${var.app}-${each.key}-bundles"
  description         = "Looks at the bundle that is on its way in ${each.key}"
  schedule_expression = "rate(5 minutes)"
  state               = "DISABLED"

  lifecycle {
    # Rollouts, looks and `shipway app` turn it on and off.
    ignore_changes = [state]
  }
}

resource "aws_cloudwatch_event_target" "look" {
  for_each = local.looks
  rule     = aws_cloudwatch_event_rule.look[each.key].name
  arn      = aws_codebuild_project.look[each.key].arn
  role_arn = aws_iam_role.looks["this"].arn
}

resource "aws_iam_role" "looks" {
  for_each             = toset(length(local.looks) == 0 ? [] : ["this"])
  name                 = "${var.app}-looks"
  permissions_boundary = var.boundary
  assume_role_policy   = local.trust["events"]
}

resource "aws_iam_role_policy" "looks" {
  for_each = aws_iam_role.looks
  name     = "start"
  role     = each.value.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "StartLooks"
      Effect   = "Allow"
      Action   = "codebuild:StartBuild"
      Resource = [for project in aws_codebuild_project.look : project.arn]
    }]
  })
}

resource "aws_iam_role" "look" {
  for_each             = local.looks
  name                 = "${var.app}-${each.key}-bundles"
  permissions_boundary = var.boundary
  assume_role_policy   = local.trust["codebuild"]
}

resource "aws_iam_role_policy" "look" {
  for_each = local.looks
  name     = "look"
  role     = aws_iam_role.look[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "WriteItsLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.look[each.key].arn}:log-stream:*"
      },
      {
        Sid      = "ReadReleases"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = ["arn:aws:s3:::${var.buckets.releases}/r*.json", "arn:aws:s3:::${var.buckets.releases}/${each.key}/*"]
      },
      {
        Sid      = "KeepTheOffering"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = ["arn:aws:s3:::${var.buckets.releases}/${each.key}/offering.json", "arn:aws:s3:::${var.buckets.releases}/${each.key}/audit/*"]
      },
      {
        Sid      = "FindReleases"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:aws:s3:::${var.buckets.releases}"
      },
      {
        Sid      = "ReadTheOffer"
        Effect   = "Allow"
        Action   = "ssm:GetParameter"
        Resource = "arn:aws:ssm:${local.arn}:parameter/${var.app}/${each.key}/app-bundles"
      },
      {
        Sid      = "UseTheKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = var.key_arn
      },
    ], local.offer[each.key])
  })
}

locals {
  # What a rollout and a look do with bundles: read them, say what devices are offered, and let that be looked at.
  offer = { for name in keys(var.environments) : name => [for statement in [
    {
      Sid      = "ReadBundles"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = "arn:aws:s3:::${local.bundles_bucket}/*"
    },
    {
      Sid      = "FindBundles"
      Effect   = "Allow"
      Action   = "s3:ListBucket"
      Resource = "arn:aws:s3:::${local.bundles_bucket}"
    },
    {
      Sid      = "SayWhatDevicesAreOffered"
      Effect   = "Allow"
      Action   = "ssm:PutParameter"
      Resource = "arn:aws:ssm:${local.arn}:parameter/${var.app}/${name}/app-bundles"
    },
    {
      Sid      = "LetTheBundleBeLookedAt"
      Effect   = "Allow"
      Action   = ["events:DisableRule", "events:EnableRule"]
      Resource = "arn:aws:events:${local.arn}:rule/${var.app}-${name}-bundles"
    },
  ] : statement if length(var.apps) > 0] }
  bundles_bucket = var.buckets.bundles == null ? "" : var.buckets.bundles
}
