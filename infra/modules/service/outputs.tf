output "name" {
  description = "The ECS service's name."
  value       = aws_ecs_service.this.name
}

output "family" {
  description = "Family of its task definitions."
  value       = local.family
}

output "target_groups" {
  description = "ARNs of the two sides."
  value       = { for side, group in aws_lb_target_group.side : side => group.arn }
}

output "rule" {
  description = "ARN of the rule whose weights a rollout shifts; null without routes."
  value       = one([for rule in aws_lb_listener_rule.this : rule.arn])
}

output "rollback_alarms" {
  description = "Names of the alarms that roll a rollout back."
  value       = concat([for alarm in aws_cloudwatch_metric_alarm.errors : alarm.alarm_name], [for alarm in aws_cloudwatch_metric_alarm.latency : alarm.alarm_name])
}
