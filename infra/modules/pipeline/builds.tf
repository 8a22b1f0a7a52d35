locals {
  arn   = "${var.region}:${var.account}"
  image = var.architecture == "ARM64" ? "aws/codebuild/amazonlinux-aarch64-standard:3.0" : "aws/codebuild/amazonlinux-x86_64-standard:5.0"
  kind  = var.architecture == "ARM64" ? "ARM_CONTAINER" : "LINUX_CONTAINER"
}

# One for each service. Tags name a folder's git tree and never move; what runs is named by digest.
resource "aws_ecr_repository" "service" {
  for_each             = var.services
  name                 = "${var.app}/${each.key}"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = !var.protected

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.key_arn
  }

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "service" {
  for_each   = aws_ecr_repository.service
  repository = each.value.name

  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "Layers that no tag names"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 7 }
        action       = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "The newest 50 stay: a rollback needs no build"
        selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 50 }
        action       = { type = "expire" }
      },
    ]
  })
}

resource "aws_cloudwatch_log_group" "build" {
  for_each          = var.services
  name              = "/aws/codebuild/${each.key}-build"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
}

# The service's own buildspec.yml: tests, image, push.
resource "aws_codebuild_project" "build" {
  for_each       = var.services
  name           = "${var.app}-${each.key}-build"
  description    = "Tests and image of ${each.key}"
  service_role   = aws_iam_role.build[each.key].arn
  build_timeout  = 30
  queued_timeout = 60
  encryption_key = var.key_arn

  source {
    type      = "CODEPIPELINE"
    buildspec = contains(keys(var.source_code.repositories), each.key) ? "buildspec.yml" : "${each.value.path}/buildspec.yml"
  }

  artifacts {
    type = "CODEPIPELINE"
  }

  cache {
    type  = "LOCAL"
    modes = ["LOCAL_DOCKER_LAYER_CACHE"]
  }

  environment {
    type            = local.kind
    compute_type    = "BUILD_GENERAL1_SMALL"
    image           = local.image
    privileged_mode = true # docker build needs it; the role pushes to one repository and may do nothing else

    environment_variable {
      name  = "ECR_REPOSITORY"
      value = aws_ecr_repository.service[each.key].repository_url
    }
    environment_variable {
      name  = "SERVICE"
      value = each.key
    }
    environment_variable {
      name  = "SERVICE_PATH"
      value = contains(keys(var.source_code.repositories), each.key) ? "." : each.value.path
    }
    environment_variable {
      name  = "SERVICE_INCLUDE" # words of a command: paths in shipway.yaml that hold blanks are not supported here
      value = contains(keys(var.source_code.repositories), each.key) ? "" : join(" ", each.value.include)
    }
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.build[each.key].name
    }
  }
}
