# The chain: clients → load balancer → a service with routes → a service that it uses; → the database, from those alone
# that have it. Nothing is reached from anywhere else.
locals {
  routed = { for name, service in var.services : name => service if length(service.routes) > 0 }
  uses = { for pair in flatten([for name, service in var.services : [for used in service.uses : { from = name, to = used }]]) :
    "${pair.from} to ${pair.to}" => pair
  }
  stores = { for name, service in var.services : name => service if service.database != null }
}

resource "aws_security_group" "service" {
  for_each    = var.services
  name        = "${local.name}-${each.key}"
  description = "Tasks of ${each.key} in ${var.environment}"
  vpc_id      = var.vpc_id

  tags = { Name = "${local.name}-${each.key}" }
}

resource "aws_security_group" "database" {
  name        = "${local.name}-database"
  description = "The database of ${var.environment}"
  vpc_id      = var.vpc_id

  tags = { Name = "${local.name}-database" }
}

# --- load balancer → service
resource "aws_vpc_security_group_egress_rule" "load_balancer" {
  for_each                     = local.routed
  security_group_id            = var.load_balancer_group
  description                  = "${each.key} of ${var.environment}"
  referenced_security_group_id = aws_security_group.service[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
}

resource "aws_vpc_security_group_ingress_rule" "routed" {
  for_each                     = local.routed
  security_group_id            = aws_security_group.service[each.key].id
  description                  = "The load balancer"
  referenced_security_group_id = var.load_balancer_group
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
}

# --- service → service. On Fargate the proxy of Service Connect listens on the task's own port.
resource "aws_vpc_security_group_egress_rule" "uses" {
  for_each                     = local.uses
  security_group_id            = aws_security_group.service[each.value.from].id
  description                  = each.value.to
  referenced_security_group_id = aws_security_group.service[each.value.to].id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
}

resource "aws_vpc_security_group_ingress_rule" "uses" {
  for_each                     = local.uses
  security_group_id            = aws_security_group.service[each.value.to].id
  description                  = each.value.from
  referenced_security_group_id = aws_security_group.service[each.value.from].id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
}

# --- service → AWS, by endpoints or the NAT: images, secrets, logs, models
resource "aws_vpc_security_group_egress_rule" "aws" {
  for_each          = var.services
  security_group_id = aws_security_group.service[each.key].id
  description       = "HTTPS to AWS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# --- service → database
resource "aws_vpc_security_group_egress_rule" "database" {
  for_each                     = local.stores
  security_group_id            = aws_security_group.service[each.key].id
  description                  = "The database"
  referenced_security_group_id = aws_security_group.database.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  for_each                     = local.stores
  security_group_id            = aws_security_group.database.id
  description                  = each.key
  referenced_security_group_id = aws_security_group.service[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}
