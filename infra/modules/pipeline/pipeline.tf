locals {
  codecommit = var.source_code.codecommit

  # Repositories: the one with shipway.yaml, and those of services that have one of their own.
  sources = merge({ app = var.source_code.repository }, var.source_code.repositories)
  # What a build hands on. CodeBuild makes a variable of an artifact's name, and shells drop variables with hyphens.
  image_artifacts  = { for name in keys(var.services) : name => "${replace(name, "-", "_")}_image" }
  bundle_artifacts = { for name in keys(var.apps) : name => "${replace(name, "-", "_")}_bundle" }

  watched = { for name in keys(local.sources) : name => (
    name == "app"
    ? concat(["shipway.yaml"], [for folder in distinct(flatten([for service, it in var.services : concat([it.path], it.include)
      if !contains(keys(var.source_code.repositories), service)
    ])) : "${folder}/**"], [for app in values(var.apps) : "${app.path}/**"])
    : ["**"]
  ) }
}

# One for each branch. A commit on it is built once and goes through the environments up to the branch's own.
resource "aws_codepipeline" "branch" {
  for_each       = var.environments
  name           = "${var.app}-${each.key}"
  role_arn       = aws_iam_role.pipeline[each.key].arn
  pipeline_type  = "V2"
  execution_mode = "SUPERSEDED"

  artifact_store {
    type     = "S3"
    location = var.buckets.artifacts

    encryption_key {
      type = "KMS"
      id   = var.key_arn
    }
  }

  # With a filter, pushes that touch no service start nothing. CodeCommit has no filter: events.tf starts those.
  dynamic "trigger" {
    for_each = local.codecommit ? {} : local.sources

    content {
      provider_type = "CodeStarSourceConnection"

      git_configuration {
        source_action_name = trigger.key

        push {
          branches {
            includes = [each.value.branch]
          }

          file_paths {
            includes = local.watched[trigger.key]
          }
        }
      }
    }
  }

  stage {
    name = "source"

    dynamic "action" {
      for_each = local.sources

      content {
        name             = action.key
        category         = "Source"
        owner            = "AWS"
        provider         = local.codecommit ? "CodeCommit" : "CodeStarSourceConnection"
        version          = "1"
        output_artifacts = [action.key]

        # A full clone: an image's tag is the git tree of its folder, which an archive does not hold.
        configuration = local.codecommit ? {
          RepositoryName       = action.value
          BranchName           = each.value.branch
          PollForSourceChanges = "false"
          OutputArtifactFormat = "CODEBUILD_CLONE_REF"
          } : {
          ConnectionArn        = var.source_code.connection
          FullRepositoryId     = action.value
          BranchName           = each.value.branch
          OutputArtifactFormat = "CODEBUILD_CLONE_REF"
        }
      }
    }
  }

  stage {
    name = "build"

    dynamic "action" {
      for_each = var.services

      content {
        name             = action.key
        category         = "Build"
        owner            = "AWS"
        provider         = "CodeBuild"
        version          = "1"
        run_order        = 1
        input_artifacts  = [contains(keys(var.source_code.repositories), action.key) ? action.key : "app"]
        output_artifacts = [local.image_artifacts[action.key]]
        configuration    = { ProjectName = aws_codebuild_project.build[action.key].name }
      }
    }

    dynamic "action" {
      for_each = var.apps

      content {
        name             = action.key
        category         = "Build"
        owner            = "AWS"
        provider         = "CodeBuild"
        version          = "1"
        run_order        = 1
        input_artifacts  = ["app"]
        output_artifacts = [local.bundle_artifacts[action.key]]
        configuration    = { ProjectName = aws_codebuild_project.bundle[action.key].name }
      }
    }

    action {
      name            = "release"
      category        = "Build"
      owner           = "AWS"
      provider        = "CodeBuild"
      version         = "1"
      run_order       = 2
      namespace       = "release"
      input_artifacts = concat(["app"], values(local.image_artifacts), values(local.bundle_artifacts))

      configuration = {
        ProjectName   = aws_codebuild_project.program["release"].name
        PrimarySource = "app"
      }
    }
  }

  dynamic "stage" {
    for_each = each.value.path

    content {
      name = stage.value

      dynamic "action" {
        for_each = var.environments[stage.value].approval ? ["approve"] : []

        content {
          name               = action.value
          category           = "Approval"
          owner              = "AWS"
          provider           = "Manual"
          version            = "1"
          run_order          = 1
          timeout_in_minutes = var.environments[stage.value].expires_minutes

          configuration = {
            NotificationArn = aws_sns_topic.pipeline.arn
            CustomData      = "Release #{release.RELEASE} waits before ${stage.value}: shipway --target aws approve #{codepipeline.PipelineExecutionId}"
          }
        }
      }

      action {
        name            = "rollout"
        category        = "Build"
        owner           = "AWS"
        provider        = "CodeBuild"
        version         = "1"
        run_order       = 2
        input_artifacts = ["app"]

        configuration = {
          ProjectName = aws_codebuild_project.program["${stage.value}-rollout"].name
          EnvironmentVariables = jsonencode([
            { name = "RELEASE", value = "#{release.RELEASE}", type = "PLAINTEXT" },
            { name = "EXECUTION", value = "#{codepipeline.PipelineExecutionId}", type = "PLAINTEXT" },
          ])
        }
      }
    }
  }
}
