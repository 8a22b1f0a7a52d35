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

resource "aws_ssm_parameter" "masking_command" {
  for_each    = toset(var.seed == null ? [] : ["this"])
  name        = "/${var.app}/${var.environment}/database/masking-command"
  description = "Masks what is personal in the copied data, before anything else reads it"
  type        = "String"
  value       = var.seed.masking_command
}
