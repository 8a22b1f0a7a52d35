# Of each side by itself: while a canary gets 5 % of the traffic, its errors would drown in the sum. A rollout names
# these alarms to ECS, which rolls back by them even if nothing of ours runs.
resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each            = aws_lb_target_group.side
  alarm_name          = "${local.family}-${each.key}-5xx"
  alarm_description   = "More than ${var.bounds.error_percent} % of the requests to ${var.name} in ${var.environment} (${each.key}) fail. Runbook: 5xx."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.bounds.error_percent
  evaluation_periods  = 2
  datapoints_to_alarm = 2
  treat_missing_data  = "notBreaching" # no traffic, no figures
  alarm_actions       = [var.cluster.topics["api"]]
  ok_actions          = [var.cluster.topics["api"]]

  metric_query {
    id          = "percent"
    label       = "failed, per cent"
    expression  = "IF(requests >= 8, 100 * failed / requests, 0)" # one unlucky request is no verdict
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { failed = "HTTPCode_Target_5XX_Count", requests = "RequestCount" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        stat        = "Sum"
        period      = 60
        dimensions  = { LoadBalancer = var.edge.load_balancer, TargetGroup = each.value.arn_suffix }
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "latency" {
  for_each            = aws_lb_target_group.side
  alarm_name          = "${local.family}-${each.key}-latency"
  alarm_description   = "The slowest 5 % of the answers of ${var.name} in ${var.environment} (${each.key}) take longer than ${var.bounds.latency} s. Runbook: latency."
  namespace           = "AWS/ApplicationELB"
  metric_name         = "TargetResponseTime"
  extended_statistic  = "p95"
  dimensions          = { LoadBalancer = var.edge.load_balancer, TargetGroup = each.value.arn_suffix }
  period              = 60
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.bounds.latency
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  treat_missing_data  = "notBreaching"

  evaluate_low_sample_count_percentiles = "ignore"

  alarm_actions = [var.cluster.topics["api"]]
  ok_actions    = [var.cluster.topics["api"]]
}

# Both sides together: whichever serves, that many tasks must be healthy.
resource "aws_cloudwatch_metric_alarm" "healthy" {
  for_each            = toset(length(local.sides) == 0 || var.office_hours != null ? [] : ["this"])
  alarm_name          = "${local.family}-healthy"
  alarm_description   = "Fewer than ${var.tasks.min} tasks of ${var.name} in ${var.environment} are healthy. Runbook: healthy hosts."
  comparison_operator = "LessThanThreshold"
  threshold           = var.tasks.min
  evaluation_periods  = 3
  datapoints_to_alarm = 3
  treat_missing_data  = "breaching" # a load balancer with no task at all reports nothing
  alarm_actions       = [var.cluster.topics["infrastructure"]]
  ok_actions          = [var.cluster.topics["infrastructure"]]

  metric_query {
    id          = "healthy"
    label       = "healthy tasks"
    expression  = "FILL(blue, 0) + FILL(green, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = aws_lb_target_group.side

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = "HealthyHostCount"
        stat        = "Minimum"
        period      = 60
        dimensions  = { LoadBalancer = var.edge.load_balancer, TargetGroup = metric_query.value.arn_suffix }
      }
    }
  }
}
