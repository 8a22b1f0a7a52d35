# The first task definition, which no task ever runs: rollouts register theirs, from the release's image digest. It is
# here because a service cannot be made without one, and it holds what Terraform promises of every task.
resource "aws_ecs_task_definition" "first" {
  family                   = local.family
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.service.cpu
  memory                   = var.service.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    cpu_architecture        = var.architecture
    operating_system_family = "LINUX"
  }

  # All that a task may write; it ends with the task.
  volume {
    name = "scratch"
  }

  container_definitions = jsonencode([{
    name                   = var.name
    image                  = "${var.account}.dkr.ecr.${var.region}.amazonaws.com/${var.app}/${var.name}:none"
    essential              = true
    user                   = "10001"
    readonlyRootFilesystem = true
    stopTimeout            = min(120, ceil(var.service.drain))
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    mountPoints            = [{ sourceVolume = "scratch", containerPath = "/tmp" }]
    portMappings           = [{ name = "http", containerPort = var.port, protocol = "tcp", appProtocol = "http" }]
    secrets                = [for name in var.service.secrets : { name = name, valueFrom = var.secret_arns[name] }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = "task"
      }
    }
  }])
}

resource "aws_ecs_service" "this" {
  name                          = var.name
  cluster                       = var.cluster.id
  task_definition               = aws_ecs_task_definition.first.arn
  desired_count                 = 0
  availability_zone_rebalancing = "ENABLED"
  enable_execute_command        = false
  propagate_tags                = "SERVICE"
  platform_version              = "LATEST"

  health_check_grace_period_seconds = length(local.sides) == 0 ? null : ceil(var.service.start)

  deployment_controller {
    type = "ECS"
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  capacity_provider_strategy {
    capacity_provider = var.spot ? "FARGATE_SPOT" : "FARGATE"
    weight            = 1
  }

  network_configuration {
    subnets          = var.network.private_subnets
    security_groups  = [var.network.security_group]
    assign_public_ip = false
  }

  service_connect_configuration {
    enabled   = true
    namespace = var.cluster.namespace

    service {
      port_name      = "http"
      discovery_name = var.name

      client_alias {
        dns_name = var.name
        port     = var.port
      }
    }
  }

  dynamic "load_balancer" {
    for_each = length(local.sides) == 0 ? [] : ["blue"]

    content {
      target_group_arn = aws_lb_target_group.side[load_balancer.value].arn
      container_name   = var.name
      container_port   = var.port
    }
  }

  # The rule must lead to the target group before a service may use it.
  depends_on = [aws_lb_listener_rule.this, aws_iam_role_policy.shift]

  lifecycle {
    ignore_changes = [
      task_definition,                    # each release's own, registered by its rollout
      desired_count,                      # autoscaling's and the rollout's
      load_balancer,                      # a rollout adds the other side and the rule that it shifts
      deployment_circuit_breaker,         # goes with the rollout's strategy
      alarms,                             # those that roll this rollout back
      deployment_maximum_percent,         # goes with the rollout's strategy
      deployment_minimum_healthy_percent, # goes with the rollout's strategy
    ]
  }
}
