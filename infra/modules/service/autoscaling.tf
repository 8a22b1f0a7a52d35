locals {
  always    = toset(var.office_hours == null ? ["this"] : [])
  scheduled = toset(var.office_hours == null ? [] : ["this"])
  resource  = "service/${var.cluster.name}/${aws_ecs_service.this.name}"
}

resource "aws_appautoscaling_target" "always" {
  for_each           = local.always
  service_namespace  = "ecs"
  resource_id        = local.resource
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.tasks.min
  max_capacity       = var.tasks.max
}

resource "aws_appautoscaling_target" "scheduled" {
  for_each           = local.scheduled
  service_namespace  = "ecs"
  resource_id        = local.resource
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.tasks.min
  max_capacity       = var.tasks.max

  lifecycle {
    # The schedule sets both, each morning to what shipway.yaml says and each evening to none.
    ignore_changes = [min_capacity, max_capacity]
  }
}

locals {
  target = one(concat(values(aws_appautoscaling_target.always), values(aws_appautoscaling_target.scheduled)))
}

resource "aws_appautoscaling_policy" "load" {
  for_each           = { ECSServiceAverageCPUUtilization = 60, ECSServiceAverageMemoryUtilization = 75 }
  name               = each.key
  policy_type        = "TargetTrackingScaling"
  service_namespace  = local.target.service_namespace
  resource_id        = local.target.resource_id
  scalable_dimension = local.target.scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = each.value
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    predefined_metric_specification {
      predefined_metric_type = each.key
    }
  }
}

resource "aws_appautoscaling_scheduled_action" "hours" {
  for_each = var.office_hours == null ? {} : {
    begin = { at = var.office_hours.begin, min = var.tasks.min, max = var.tasks.max }
    end   = { at = var.office_hours.end, min = 0, max = 0 }
  }
  name               = "${local.family}-${each.key}"
  service_namespace  = local.target.service_namespace
  resource_id        = local.target.resource_id
  scalable_dimension = local.target.scalable_dimension
  schedule           = each.value.at
  timezone           = var.office_hours.time_zone

  scalable_target_action {
    min_capacity = each.value.min
    max_capacity = each.value.max
  }
}
