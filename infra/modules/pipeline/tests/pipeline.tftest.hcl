mock_provider "aws" {
  source = "../../tests/mock"
}

variables {
  app      = "ontime"
  account  = "123456789012"
  region   = "us-east-1"
  key_arn  = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  boundary = "arn:aws:iam::123456789012:policy/ontime-boundary"
  buckets  = { artifacts = "ontime-artifacts", releases = "ontime-releases", models = "ontime-models" }
  source_code = {
    codecommit = false
    connection = "arn:aws:codeconnections:us-east-1:123456789012:connection/11111111-2222-3333-4444-555555555555"
    repository = "example/ontime"
  }
  services = {
    backend-api      = { path = "backend-api", migrates = true, database = "DATABASE_URL" }
    ml-model-service = { path = "ml-model-service", include = ["shared/contract"], migrates = false }
  }
  environments = {
    dev   = { branch = "develop", path = ["dev"], approval = false, expires_minutes = 10080 }
    stage = { branch = "stage", path = ["dev", "stage"], approval = true, expires_minutes = 10080 }
    prod  = { branch = "main", path = ["dev", "prod"], approval = true, expires_minutes = 1440 }
  }
}

run "a_branch_has_a_pipeline_up_to_its_environment" {
  command = apply

  assert {
    condition     = [for stage in aws_codepipeline.branch["prod"].stage : stage.name] == ["source", "build", "dev", "prod"]
    error_message = "a commit on main is built once and passes dev before prod"
  }
  assert {
    condition     = [for action in aws_codepipeline.branch["prod"].stage[3].action : action.name] == ["approve", "rollout"] && aws_codepipeline.branch["prod"].stage[3].action[0].timeout_in_minutes == 1440
    error_message = "prod is asked for, and the question ends some day"
  }
  assert {
    condition     = [for action in aws_codepipeline.branch["dev"].stage[2].action : action.name] == ["rollout"]
    error_message = "dev goes by itself"
  }
  assert {
    condition     = one(one(aws_codepipeline.branch["prod"].trigger).git_configuration[0].push[0].branches).includes == tolist(["main"]) && contains(one(one(aws_codepipeline.branch["prod"].trigger).git_configuration[0].push[0].file_paths).includes, "shared/contract/**")
    error_message = "pushes to its branch that touch a service start it"
  }
  assert {
    condition     = toset([for action in aws_codepipeline.branch["prod"].stage[1].action : action.name]) == toset(["backend-api", "ml-model-service", "release"])
    error_message = "a build for each service, then the release"
  }
  assert {
    condition     = aws_codepipeline.branch["prod"].pipeline_type == "V2" && one(one(aws_codepipeline.branch["prod"].artifact_store).encryption_key).id == var.key_arn
    error_message = "V2, artifacts encrypted with our key"
  }
}

run "images_never_change_under_a_tag" {
  command = apply

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.service : repository.image_tag_mutability == "IMMUTABLE" && one(repository.image_scanning_configuration).scan_on_push && one(repository.encryption_configuration).encryption_type == "KMS"])
    error_message = "tags are immutable, images scanned and encrypted"
  }
  assert {
    condition     = alltrue([for group in merge(aws_cloudwatch_log_group.build, aws_cloudwatch_log_group.program) : group.retention_in_days == 14]) && aws_cloudwatch_log_group.build["backend-api"].name == "/aws/codebuild/backend-api-build"
    error_message = "build logs have the description's names and end some day"
  }
}

run "a_build_pushes_to_its_own_repository_and_does_nothing_else" {
  command = apply

  assert {
    condition     = alltrue([for policy in aws_iam_role_policy.build : alltrue([for action in flatten([for s in jsondecode(policy.policy).Statement : s.Action]) : !can(regex("^(ecs|secretsmanager|iam|ssm):", action))])])
    error_message = "nothing of ECS, roles, secrets or parameters"
  }
  assert {
    condition     = alltrue([for project in aws_codebuild_project.program : one(project.environment).privileged_mode != true])
    error_message = "only image builds are privileged"
  }
}

run "a_rollout_reaches_its_own_environment_alone" {
  command = apply

  assert {
    condition = alltrue([for s in jsondecode(aws_iam_role_policy.rollout["dev"].policy).Statement : alltrue([
      for resource in flatten([s.Resource]) : !strcontains(resource, "prod") && !strcontains(resource, "stage")
    ])])
    error_message = "dev's rollout names nothing of stage and prod"
  }
  assert {
    condition = alltrue([for s in jsondecode(aws_iam_role_policy.rollout["prod"].policy).Statement :
      !contains(flatten([s.Action]), "iam:PassRole") || (alltrue([for r in flatten([s.Resource]) : startswith(r, "arn:aws:iam::123456789012:role/ontime-prod-")]) && can(s.Condition.StringEquals["iam:PassedToService"]))
    ])
    error_message = "it hands on its own environment's roles, each to one service of AWS"
  }
  assert {
    condition = alltrue([for s in jsondecode(aws_iam_role_policy.rollout["prod"].policy).Statement :
      !contains(flatten([s.Resource]), "*") || alltrue([for action in flatten([s.Action]) : can(regex(":(Describe|Get|List)", action))])
    ])
    error_message = "on everything it only looks"
  }
  assert {
    condition     = alltrue([for role in merge(aws_iam_role.rollout, aws_iam_role.pipeline, aws_iam_role.build, { release = aws_iam_role.release }) : role.permissions_boundary == var.boundary])
    error_message = "all are bounded"
  }
}

run "an_app_of_devices_is_built_beside_the_services" {
  command = apply

  variables {
    apps    = { phone = { path = "phone" } }
    buckets = { artifacts = "ontime-artifacts", releases = "ontime-releases", models = "ontime-models", bundles = "ontime-bundles" }
  }

  assert {
    condition     = toset([for action in aws_codepipeline.branch["prod"].stage[1].action : action.name]) == toset(["backend-api", "ml-model-service", "phone", "release"]) && contains(one([for action in aws_codepipeline.branch["prod"].stage[1].action : action.input_artifacts if action.name == "release"]), "phone_bundle")
    error_message = "its bundle is built once and handed to the release"
  }
  assert {
    condition     = contains(one(one(aws_codepipeline.branch["prod"].trigger).git_configuration[0].push[0].file_paths).includes, "phone/**")
    error_message = "a push that touches the app alone starts the pipeline"
  }
  assert {
    condition     = alltrue([for rule in aws_cloudwatch_event_rule.look : rule.state == "DISABLED" && rule.schedule_expression == "rate(5 minutes)"])
    error_message = "nothing is looked at, and nothing costs, before a bundle is on its way"
  }
  assert {
    condition = alltrue([for name in ["dev", "stage", "prod"] : alltrue([for s in jsondecode(aws_iam_role_policy.look[name].policy).Statement :
      alltrue([for resource in flatten([s.Resource]) : !can(regex("[/-](dev|stage|prod)[/-]", resource)) || can(regex("[/-]${name}[/-]", resource))])
    ])])
    error_message = "a look reaches its own environment alone"
  }
  assert {
    condition     = length([for s in jsondecode(aws_iam_role_policy.bundle["phone"].policy).Statement : s if s.Sid == "NotTheCounts" && s.Effect == "Deny"]) == 1
    error_message = "a build says nothing in the devices' place"
  }
}

run "codecommit_starts_by_events" {
  command = apply

  variables {
    source_code = { codecommit = true, repository = "ontime" }
  }

  assert {
    condition     = length(aws_codepipeline.branch["dev"].trigger) == 0 && length(aws_cloudwatch_event_target.push) == 3
    error_message = "an event of each branch starts its pipeline"
  }
  assert {
    condition     = length([for s in jsondecode(aws_iam_role_policy.pipeline["dev"].policy).Statement : s if s.Sid == "CloneByTheConnection"]) == 0
    error_message = "no connection is used"
  }
}

run "a_service_may_have_a_repository_of_its_own" {
  command = apply

  variables {
    source_code = {
      codecommit   = false
      connection   = "arn:aws:codeconnections:us-east-1:123456789012:connection/11111111-2222-3333-4444-555555555555"
      repository   = "example/ontime"
      repositories = { ml-model-service = "example/ontime-model" }
    }
  }

  assert {
    condition     = toset([for action in aws_codepipeline.branch["dev"].stage[0].action : action.name]) == toset(["app", "ml-model-service"])
    error_message = "two sources"
  }
  assert {
    condition     = one([for action in aws_codepipeline.branch["dev"].stage[1].action : action.input_artifacts if action.name == "ml-model-service"]) == tolist(["ml-model-service"]) && one(aws_codebuild_project.build["ml-model-service"].source).buildspec == "buildspec.yml"
    error_message = "its build reads its own repository"
  }
}

run "a_connection_that_is_none_is_refused" {
  command = plan

  variables {
    source_code = { codecommit = false, connection = "gitlab", repository = "example/ontime" }
  }

  expect_failures = [var.source_code]
}
