mock_provider "aws" {
  source = "../../tests/mock"
}

variables {
  app         = "ontime"
  environment = "prod"
  account     = "123456789012"
  region      = "us-east-1"
  name        = "ml-model-service"
  service = {
    routes    = ["/ml/*", "/endpoints/*"], ready = "/ready", model = true, secrets = ["MAPS_API_KEY"]
    log_group = "/ecs/ml-model-service", priority = 1, start = 30, drain = 30, cpu = 512, memory = 1024
  }
  host   = "ontime.example"
  tasks  = { min = 3, max = 6 }
  bounds = { error_percent = 5, latency = 2 }
  cluster = {
    name    = "ontime-prod", id = "arn:aws:ecs:us-east-1:123456789012:cluster/ontime-prod", namespace = "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-1"
    key_arn = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555", infrastructure_role = "ontime-prod-ecs-infrastructure"
    topics  = { api = "arn:aws:sns:us-east-1:123456789012:ontime-prod-api", infrastructure = "arn:aws:sns:us-east-1:123456789012:ontime-prod-infrastructure" }
  }
  network             = { vpc_id = "vpc-0123456789abcdef0", private_subnets = ["subnet-00000000000000001", "subnet-00000000000000002"], security_group = "sg-00000000000000001" }
  edge                = { listener_arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/ontime/0123456789abcdef/0123456789abcdef", load_balancer = "app/ontime/0123456789abcdef" }
  buckets             = { models = "ontime-models", monitoring = "ontime-monitoring" }
  app_key_arn         = "arn:aws:kms:us-east-1:123456789012:key/99999999-2222-3333-4444-555555555555"
  database_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:/ontime/prod/database/user-AbCdEf"
  secret_arns         = { MAPS_API_KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:/ontime/prod/MAPS_API_KEY-AbCdEf" }
  boundary            = "arn:aws:iam::123456789012:policy/ontime-boundary"
}

run "tasks_are_private_and_confined" {
  command = apply

  assert {
    condition     = one(aws_ecs_service.this.network_configuration).assign_public_ip == false && one(aws_ecs_service.this.network_configuration).subnets == toset(var.network.private_subnets)
    error_message = "tasks have no public address and run in the private subnets"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.first.container_definitions)[0].user == "10001" && jsondecode(aws_ecs_task_definition.first.container_definitions)[0].readonlyRootFilesystem
    error_message = "no root, and nothing to write but the scratch folder"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.first.container_definitions)[0].secrets[0].valueFrom == var.secret_arns.MAPS_API_KEY
    error_message = "secrets go in by reference"
  }
  assert {
    condition     = aws_ecs_service.this.enable_execute_command == false
    error_message = "nobody opens a shell in a task"
  }
  assert {
    condition     = one(aws_ecs_task_definition.first.runtime_platform).cpu_architecture == "ARM64"
    error_message = "ARM by default"
  }
  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/ecs/ml-model-service/prod" && aws_cloudwatch_log_group.this.retention_in_days == 14
    error_message = "logs lie below the service's group and end some day"
  }
}

run "two_sides_and_one_rule" {
  command = apply

  assert {
    condition     = toset(keys(aws_lb_target_group.side)) == toset(["blue", "green"]) && alltrue([for side in aws_lb_target_group.side : length(side.name) <= 32])
    error_message = "blue and green, by names that AWS takes"
  }
  assert {
    condition     = one([for c in aws_lb_listener_rule.this["this"].condition : one(c.path_pattern).values if length(c.path_pattern) > 0]) == toset(["/ml/*", "/endpoints/*"])
    error_message = "the rule has the service's routes"
  }
  assert {
    condition     = one(aws_ecs_service.this.deployment_circuit_breaker).rollback
    error_message = "a deployment that does not start is taken back"
  }
}

run "both_sides_have_alarms_that_roll_back" {
  command = apply

  assert {
    condition     = toset(output.rollback_alarms) == toset([for pair in setproduct(["blue", "green"], ["5xx", "latency"]) : "ontime-prod-ml-model-service-${pair[0]}-${pair[1]}"])
    error_message = "errors and latency of each side by itself"
  }
  assert {
    condition     = alltrue([for alarm in merge(aws_cloudwatch_metric_alarm.errors, { for side, it in aws_cloudwatch_metric_alarm.latency : "latency ${side}" => it }) : alarm.alarm_actions == toset([var.cluster.topics.api])])
    error_message = "the support area api hears of both"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.errors["green"].threshold == 5 && aws_cloudwatch_metric_alarm.latency["green"].threshold == 2
    error_message = "the bounds are those of the environment's guard"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.healthy["this"].threshold == 3
    error_message = "fewer healthy tasks than asked for is an alarm"
  }
}

run "roles_may_do_what_this_service_needs_and_no_more" {
  command = apply

  assert {
    condition     = toset(flatten([for s in jsondecode(aws_iam_role_policy.model["this"].policy).Statement : s.Action])) == toset(["s3:GetObject", "s3:ListBucket", "ssm:GetParameter", "s3:PutObject", "kms:Decrypt", "kms:GenerateDataKey"])
    error_message = "the model service reads models and its version and writes captures"
  }
  assert {
    condition     = alltrue([for s in jsondecode(aws_iam_role_policy.model["this"].policy).Statement : !contains(flatten([s.Resource]), "*")])
    error_message = "none of it on everything"
  }
  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.model["this"].policy).Statement : s.Resource if s.Sid == "ReadVersion"]) == "arn:aws:ssm:us-east-1:123456789012:parameter/ontime/prod/model-version"
    error_message = "the version of its own environment alone"
  }
  assert {
    condition     = length(aws_iam_role_policy.labels) == 0
    error_message = "a service without labels writes none"
  }
  assert {
    condition     = length(aws_iam_role_policy.database) == 0
    error_message = "a service without a database may not read its password"
  }
  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.execution.policy).Statement : s.Resource if s.Sid == "ReadItsSecrets"]) == [var.secret_arns.MAPS_API_KEY]
    error_message = "only the secrets that it names"
  }
  assert {
    condition     = aws_iam_role.task.permissions_boundary == var.boundary && aws_iam_role.execution.permissions_boundary == var.boundary
    error_message = "both are bounded"
  }
}

run "the_service_that_answers_devices_reads_bundles_and_reports" {
  command = apply

  variables {
    service = {
      routes    = ["/ota/*"], ready = "/ready", model = false, updates = true, secrets = ["MAPS_API_KEY"]
      log_group = "/ecs/app-updates", priority = 2, start = 30, drain = 30, cpu = 256, memory = 512
    }
    buckets = { models = "ontime-models", monitoring = "ontime-monitoring", bundles = "ontime-bundles" }
    cdn     = "https://d111111abcdef8.cloudfront.net"
  }

  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.bundles["this"].policy).Statement : s.Resource if s.Sid == "ReportCounts"]) == "arn:aws:s3:::ontime-bundles/counts/prod/*"
    error_message = "it writes its environment's counts and nothing else"
  }
  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.bundles["this"].policy).Statement : s.Resource if s.Sid == "ReadTheOffer"]) == "arn:aws:ssm:us-east-1:123456789012:parameter/ontime/prod/app-bundles"
    error_message = "it reads its environment's offer"
  }
  assert {
    condition     = jsondecode(aws_ssm_parameter.told.value).cdn == "https://d111111abcdef8.cloudfront.net"
    error_message = "a rollout tells it where devices load from"
  }
}

run "labels_go_to_the_environment_s_own_place" {
  command = apply
  variables {
    service = {
      routes    = ["/api/*"], ready = "/ready", model = false, labels = true, secrets = []
      log_group = "/ecs/backend-api", priority = 1, start = 30, drain = 30, cpu = 512, memory = 1024
    }
  }

  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.labels["this"].policy).Statement : s.Resource if s.Action == "s3:PutObject"]) == "arn:aws:s3:::ontime-monitoring/prod/ground-truth/*"
    error_message = "and nowhere else"
  }
}

run "a_rollout_is_told_what_it_cannot_compute" {
  command = apply

  assert {
    condition     = aws_ssm_parameter.told.name == "/ontime/prod/services/ml-model-service" && join(" ", keys(jsondecode(aws_ssm_parameter.told.value).target_groups)) == "blue green"
    error_message = "one parameter below the environment's names, with both sides"
  }
  assert {
    condition     = length(aws_ssm_parameter.told.value) < 4096
    error_message = "Parameter Store takes 4096 letters"
  }
}

run "tasks_are_as_many_as_asked_for" {
  command = apply

  assert {
    condition     = aws_appautoscaling_target.always["this"].min_capacity == 3 && aws_appautoscaling_target.always["this"].max_capacity == 6 && length(aws_appautoscaling_policy.load) == 2
    error_message = "autoscaling keeps to the bounds of shipway.yaml"
  }
  assert {
    condition     = length(aws_appautoscaling_scheduled_action.hours) == 0
    error_message = "nothing is switched off unless asked for"
  }
}

run "tasks_sleep_at_night_where_asked_for" {
  command = apply

  variables {
    spot         = true
    office_hours = { time_zone = "Europe/Berlin", begin = "cron(0 7 ? * MON-FRI *)", end = "cron(0 19 ? * MON-FRI *)" }
  }

  assert {
    condition     = one(aws_appautoscaling_scheduled_action.hours["end"].scalable_target_action).max_capacity == "0" && one(aws_appautoscaling_scheduled_action.hours["begin"].scalable_target_action).min_capacity == "3"
    error_message = "none in the evening, all in the morning"
  }
  assert {
    condition     = one(aws_ecs_service.this.capacity_provider_strategy).capacity_provider == "FARGATE_SPOT"
    error_message = "Spot where asked for"
  }
}

run "a_service_that_only_others_call_has_no_way_in" {
  command = apply

  variables {
    service = {
      routes = [], ready = "/ready", model = false, secrets = [], log_group = "/ecs/x", start = 30, drain = 30, cpu = 256, memory = 512
    }
  }

  assert {
    condition     = length(aws_lb_target_group.side) == 0 && length(aws_lb_listener_rule.this) == 0 && length(aws_iam_role_policy.model) == 0
    error_message = "no routes: no target groups, no rule; no model: nothing it may read"
  }
}

run "a_task_that_fargate_does_not_have_is_refused" {
  command = plan

  variables {
    service = {
      routes = [], ready = "/ready", model = false, secrets = [], log_group = "/ecs/x", start = 30, drain = 30, cpu = 256, memory = 4096
    }
  }

  expect_failures = [var.service]
}
