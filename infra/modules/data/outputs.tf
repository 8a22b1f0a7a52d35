output "address" {
  description = "Host and port of the database; null without one."
  value       = one([for database in aws_db_instance.this : database.endpoint])
}

output "database_secret_arn" {
  description = "Secret of the application's database user."
  value       = aws_secretsmanager_secret.database.arn
}

output "secret_arns" {
  description = "The services' secrets: name → ARN."
  value       = { for name, secret in aws_secretsmanager_secret.service : name => secret.arn }
}

output "model_version_parameter" {
  description = "Name of the parameter that holds the model version."
  value       = aws_ssm_parameter.model_version.name
}
