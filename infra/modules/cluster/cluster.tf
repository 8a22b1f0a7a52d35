locals {
  name = "${var.app}-${var.environment}"
}

# One key for what the environment alone holds: its database, secrets, logs and alarms.
module "key" {
  source      = "../key"
  name        = local.name
  description = "Database, secrets, logs and topics of ${local.name}"
  account     = var.account
  logs_region = var.region
  publishers  = ["cloudwatch.amazonaws.com"]
}

resource "aws_ecs_cluster" "this" {
  name = local.name

  # ECS's own figures for CPU and memory are free; Container Insights are some $10 a month for each environment.
  setting {
    name  = "containerInsights"
    value = "disabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

# Names by which services find each other (Service Connect).
resource "aws_service_discovery_http_namespace" "this" {
  name        = local.name
  description = "Services of ${local.name}"
}

# ECS shifts the traffic of a rollout by it. Each service adds its own rule and target groups. Trusted as AWS documents it,
# without a condition: who hands it to ECS is said by iam:PassRole.
resource "aws_iam_role" "infrastructure" {
  name                 = "${local.name}-ecs-infrastructure"
  permissions_boundary = var.boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "EcsShifts"
      Effect    = "Allow"
      Principal = { Service = "ecs.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}
