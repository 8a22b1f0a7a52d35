# The one program of ours that runs on AWS: it writes the release, and rolls it out to one environment.
locals {
  programs = merge(
    { release = { role = aws_iam_role.release.arn, minutes = 10, variables = {} } },
    { for name in keys(var.environments) : "${name}-rollout" => {
      role      = aws_iam_role.rollout[name].arn
      minutes   = 2160 # the longest that CodeBuild runs: a rollout may bake for a day
      variables = { ENVIRONMENT = name }
    } },
  )
  install = "python -m pip install --quiet --disable-pip-version-check '${var.shipway}'"
  commands = {
    release = "python -m shipway.wiring.rollout_program release"
    rollout = "python -m shipway.wiring.rollout_program rollout --environment \"$ENVIRONMENT\" --release \"$RELEASE\""
  }
}

resource "aws_cloudwatch_log_group" "program" {
  for_each          = local.programs
  name              = "/aws/codebuild/${var.app}-${each.key}"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
}

resource "aws_codebuild_project" "program" {
  for_each               = local.programs
  name                   = "${var.app}-${each.key}"
  description            = each.key == "release" ? "Writes what was built as a release" : "Rolls a release out to ${each.value.variables.ENVIRONMENT}"
  service_role           = each.value.role
  build_timeout          = each.value.minutes
  queued_timeout         = 60
  encryption_key         = var.key_arn
  concurrent_build_limit = 1

  source {
    type = "CODEPIPELINE"

    buildspec = yamlencode({
      version = 0.2
      env     = each.key == "release" ? { shell = "bash", exported-variables = ["RELEASE"] } : { shell = "bash", exported-variables = [] }
      phases = {
        install = {
          runtime-versions = { python = "3.12" }
          commands         = concat([local.install], each.key == "release" ? [] : local.keep_program)
        }
        build = {
          commands = each.key == "release" ? ["RELEASE=$(${local.commands.release})", "export RELEASE"] : [local.commands.rollout]
        }
      }
    })
  }

  artifacts {
    type = "CODEPIPELINE"
  }

  environment {
    type         = local.kind
    compute_type = "BUILD_GENERAL1_SMALL"
    image        = local.image

    environment_variable {
      name  = "RELEASES_BUCKET"
      value = var.buckets.releases
    }

    dynamic "environment_variable" {
      for_each = each.value.variables

      content {
        name  = environment_variable.key
        value = environment_variable.value
      }
    }
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.program[each.key].name
    }
  }
}
