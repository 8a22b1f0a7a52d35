locals {
  alarms = var.database == null ? {} : {
    cpu     = { metric = "CPUUtilization", over = true, threshold = 90, what = "its processor is busier than 90 %" }
    storage = { metric = "FreeStorageSpace", over = false, threshold = var.database.storage * 0.1 * 1073741824, what = "less than a tenth of its storage is free" }
    memory  = { metric = "FreeableMemory", over = false, threshold = 64 * 1048576, what = "less than 64 MiB of its memory are free" }
  }
}

resource "aws_cloudwatch_metric_alarm" "database" {
  for_each            = local.alarms
  alarm_name          = "${local.name}-database-${each.key}"
  alarm_description   = "The database of ${var.environment}: ${each.value.what}. Runbook: database."
  namespace           = "AWS/RDS"
  metric_name         = each.value.metric
  dimensions          = { DBInstanceIdentifier = local.name }
  statistic           = "Average"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = each.value.over ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "missing"
  alarm_actions       = [var.topic]
  ok_actions          = [var.topic]
}
