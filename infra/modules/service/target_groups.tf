locals {
  family = "${var.app}-${var.environment}-${var.name}"
  sides  = toset(length(var.service.routes) == 0 ? [] : ["blue", "green"])

  # Target groups have 32 letters. What is too long keeps its beginning and gets a mark of its own.
  short = length(local.family) <= 26 ? local.family : "${trimsuffix(substr(local.family, 0, 21), "-")}-${substr(sha1(local.family), 0, 4)}"
}

# Two sides: stable serves from one, a rollout starts the candidate on the other and shifts the rule's weights.
resource "aws_lb_target_group" "side" {
  for_each             = local.sides
  name                 = "${local.short}-${each.key}"
  vpc_id               = var.network.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = var.port
  deregistration_delay = ceil(var.service.drain)

  health_check {
    path                = var.service.ready
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener_rule" "this" {
  for_each     = toset(length(local.sides) == 0 ? [] : ["this"])
  listener_arn = var.edge.listener_arn
  priority     = var.rules_from + var.service.priority

  action {
    type = "forward"

    forward {
      target_group {
        arn    = aws_lb_target_group.side["blue"].arn
        weight = 100
      }

      target_group {
        arn    = aws_lb_target_group.side["green"].arn
        weight = 0
      }
    }
  }

  condition {
    host_header {
      values = [var.host]
    }
  }

  condition {
    path_pattern {
      values = var.service.routes
    }
  }

  lifecycle {
    # A rollout shifts the weights; whichever side serves now is not Terraform's to say.
    ignore_changes = [action]
  }
}
