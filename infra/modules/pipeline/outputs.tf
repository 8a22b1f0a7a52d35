output "pipelines" {
  description = "Name of each environment's pipeline."
  value       = { for name, pipeline in aws_codepipeline.branch : name => pipeline.name }
}

output "repositories" {
  description = "Where each service's images lie."
  value       = { for name, repository in aws_ecr_repository.service : name => repository.repository_url }
}

output "topic" {
  description = "Topic of the support area pipeline."
  value       = aws_sns_topic.pipeline.arn
}
