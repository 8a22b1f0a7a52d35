resource "aws_ssm_parameter" "model_version" {
  name        = "/${var.app}/${var.environment}/model-version"
  description = "The model version that tasks serve; they read it every few seconds (shipway model promote)"
  type        = "String"
  value       = "none"

  lifecycle {
    # `shipway model promote` changes it, and so may whoever is allowed to: that is how models are updated.
    ignore_changes = [value]
  }
}

# What devices are offered of the app's bundles; the tasks that answer devices read it every 1.5 seconds.
resource "aws_ssm_parameter" "app_bundles" {
  for_each    = toset(var.bundles ? ["this"] : [])
  name        = "/${var.app}/${var.environment}/app-bundles"
  description = "Which bundles of the app devices are offered (shipway app show)"
  type        = "String"
  value       = jsonencode({ stable = "builtin" })

  lifecycle {
    # Rollouts, looks and `shipway app` change it.
    ignore_changes = [value]
  }
}

resource "aws_ssm_parameter" "masking_command" {
  for_each    = toset(var.seed == null ? [] : ["this"])
  name        = "/${var.app}/${var.environment}/database/masking-command"
  description = "Masks what is personal in the copied data, before anything else reads it"
  type        = "String"
  value       = var.seed.masking_command
}
