# What a rollout must know of the service and cannot compute: the numbers that AWS gave, and what the size decides.
resource "aws_ssm_parameter" "told" {
  name        = "/${var.app}/${var.environment}/services/${var.name}"
  description = "What a rollout of ${var.name} must know; Terraform writes it"
  type        = "String"

  value = jsonencode({
    target_groups = { for side, group in aws_lb_target_group.side : side => group.arn }
    load_balancer = length(local.sides) == 0 ? null : var.edge.load_balancer
    rule          = one([for rule in aws_lb_listener_rule.this : rule.arn])
    host          = var.host
    cpu           = var.service.cpu
    memory        = var.service.memory
    architecture  = var.architecture
    secrets       = { for name in var.service.secrets : name => var.secret_arns[name] }
    cdn           = var.service.updates ? var.cdn : null
    database = var.service.database == null ? null : {
      address = var.database_address
      name    = replace(var.app, "-", "_")
      secret  = var.database_secret_arn
    }
  })
}
