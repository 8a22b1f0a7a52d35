resource "aws_secretsmanager_secret" "service" {
  for_each                = var.secrets
  name                    = "/${var.app}/${var.environment}/${each.key}"
  description             = "Set by: shipway secrets set --env ${var.environment} ${each.key}"
  kms_key_id              = var.key_arn
  recovery_window_in_days = 7
}

# Name and password of the application's database user, in JSON. The one-off task writes it, when the user is made and
# whenever the password is changed; tasks read it at each connect.
resource "aws_secretsmanager_secret" "database" {
  name                    = "/${var.app}/${var.environment}/database/user"
  description             = "The application's database user"
  kms_key_id              = var.key_arn
  recovery_window_in_days = 7
}
