mock_provider "aws" {
  source = "../../tests/mock"
}

variables {
  app         = "ontime"
  account     = "123456789012"
  region      = "us-east-1"
  app_key_arn = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  buckets     = { models = "ontime-models", releases = "ontime-releases", state = "ontime-state" }
  budget      = 250
  environments = {
    dev  = { approval = false, pipelines = ["ontime-dev", "ontime-prod"] }
    prod = { approval = true, pipelines = ["ontime-prod"] }
  }
  people = {
    deployer    = ["arn:aws:iam::123456789012:role/developers"]
    approver    = ["arn:aws:iam::123456789012:role/leads"]
    model-owner = ["arn:aws:iam::123456789012:role/science"]
    infra       = ["arn:aws:iam::123456789012:role/platform"]
  }
}

run "people_take_roles_by_name_and_second_factor" {
  command = apply

  assert {
    condition     = toset(keys(aws_iam_role.person)) == toset(["ontime-deployer", "ontime-infra", "ontime-prod-approver", "ontime-model-owner"])
    error_message = "a role for each kind of people; an approver where something is approved"
  }
  assert {
    condition = alltrue([for role in aws_iam_role.person :
      jsondecode(role.assume_role_policy).Statement[0].Condition.Bool["aws:MultiFactorAuthPresent"] == "true" && !contains(flatten([jsondecode(role.assume_role_policy).Statement[0].Principal.AWS]), "*")
    ])
    error_message = "named people with a second factor"
  }
  assert {
    condition     = alltrue([for name, role in aws_iam_role.person : name == "ontime-infra" || role.permissions_boundary == aws_iam_policy.boundary.arn])
    error_message = "all but Terraform's role are bounded"
  }
}

run "a_deployer_starts_and_looks" {
  command = apply

  assert {
    condition     = alltrue([for action in flatten([for s in jsondecode(aws_iam_role_policy.deployer["ontime-deployer"].policy).Statement : s.Action if !contains(["Steer", "SetSecrets", "NotTheDatabases"], s.Sid)]) : !can(regex("^(ecs|ssm|secretsmanager|iam):(Update|Create|Delete|Put|Run|Stop|Register|GetSecret)", action)) && action != "codepipeline:PutApprovalResult"])
    error_message = "no writes in ECS, no answers to its own questions"
  }
  assert {
    condition = alltrue([for s in jsondecode(aws_iam_role_policy.deployer["ontime-deployer"].policy).Statement :
      !contains(["Steer", "Command", "GoBack", "SetSecrets", "EncryptSecrets"], s.Sid) || !strcontains(jsonencode([s.Resource, try(s.Condition, null)]), "prod")
    ])
    error_message = "it steers no rollout and sets no secret where somebody is asked"
  }
}

run "an_approver_answers_for_its_environment_alone" {
  command = apply

  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.approver["ontime-prod-approver"].policy).Statement : s.Resource if s.Sid == "Answer"]) == ["arn:aws:codepipeline:us-east-1:123456789012:ontime-prod/prod/approve"]
    error_message = "the approval of that environment's stage"
  }
  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.approver["ontime-prod-approver"].policy).Statement : s.Resource if s.Sid == "GoBack"]) == ["arn:aws:codebuild:us-east-1:123456789012:project/ontime-prod-rollout"]
    error_message = "a rollback of that environment"
  }
  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.model_owner["ontime-model-owner"].policy).Statement : s.Resource if s.Sid == "Promote"]) == ["arn:aws:ssm:us-east-1:123456789012:parameter/ontime/dev/model-version"]
    error_message = "a model owner sets the version where nobody is asked"
  }
}

run "terraforms_role_makes_bounded_roles_only" {
  command = apply

  assert {
    condition = alltrue([for s in jsondecode(aws_iam_role_policy.infra["ontime-infra"].policy).Statement :
      !contains(flatten([s.Action]), "iam:CreateRole") || try(s.Condition.StringEquals["iam:PermissionsBoundary"], "") == aws_iam_policy.boundary.arn
    ])
    error_message = "no role without the boundary"
  }
  assert {
    condition = alltrue([for action in flatten([for s in jsondecode(aws_iam_role_policy.infra["ontime-infra"].policy).Statement : s.Action]) :
      !contains(["iam:*", "iam:DeleteRolePermissionsBoundary", "iam:CreatePolicyVersion", "iam:AttachRolePolicy", "secretsmanager:GetSecretValue", "secretsmanager:*", "ssm:*"], action)
    ])
    error_message = "it cannot loosen the boundary, attach another's policy, or read a secret"
  }
}

run "workflows_of_one_repository" {
  command = apply

  variables {
    github = { repository = "example/ontime" }
  }

  assert {
    condition     = jsondecode(aws_iam_role.github["apply"].assume_role_policy).Statement[0].Condition.StringLike["token.actions.githubusercontent.com:sub"] == "repo:example/ontime:environment:prod"
    error_message = "applying takes GitHub's environment prod"
  }
  assert {
    condition     = startswith(jsondecode(aws_iam_role.github["plan"].assume_role_policy).Statement[0].Condition.StringLike["token.actions.githubusercontent.com:sub"], "repo:example/ontime:")
    error_message = "planning takes the repository"
  }
}

run "a_repository_of_anybodys_is_refused" {
  command = plan

  variables {
    github = { repository = "*/*" }
  }

  expect_failures = [var.github]
}

run "a_role_for_everybody_is_refused" {
  command = plan

  variables {
    people = { approver = ["*"] }
  }

  expect_failures = [var.people]
}

run "a_budget_tells_somebody" {
  command = plan

  variables {
    budget_emails = ["owner@example.com"]
  }

  assert {
    condition     = length(aws_budgets_budget.month["this"].notification) == 3
    error_message = "at 80 and 100 %, and by the forecast"
  }
}
