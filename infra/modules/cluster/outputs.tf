output "name" {
  description = "Name of the cluster: app-environment."
  value       = aws_ecs_cluster.this.name
}

output "id" {
  description = "ARN of the cluster."
  value       = aws_ecs_cluster.this.arn
}

output "namespace" {
  description = "ARN of the namespace in which services find each other."
  value       = aws_service_discovery_http_namespace.this.arn
}

output "key_arn" {
  description = "The environment's key."
  value       = module.key.arn
}

output "infrastructure_role" {
  description = "Name of the role by which ECS shifts traffic."
  value       = aws_iam_role.infrastructure.name
}

output "service_groups" {
  description = "Security group of each service."
  value       = { for name, group in aws_security_group.service : name => group.id }
}

output "database_group" {
  description = "Security group of the database."
  value       = aws_security_group.database.id
}

output "topics" {
  description = "Topic of each support area."
  value       = { for area, topic in aws_sns_topic.area : area => topic.arn }
}
