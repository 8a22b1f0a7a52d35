output "services" {
  description = "What a rollout needs to know of each service: family, target groups, rule, alarms."
  value       = module.service
}

output "database" {
  description = "Host and port of the database; null without one."
  value       = module.data.address
}

output "topics" {
  description = "Topic of each support area."
  value       = module.cluster.topics
}
