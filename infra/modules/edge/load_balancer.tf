resource "aws_lb" "this" {
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = false
  subnets                    = var.public_subnets
  security_groups            = [aws_security_group.this.id]
  idle_timeout               = var.idle_timeout
  drop_invalid_header_fields = true
  enable_deletion_protection = var.protected

  access_logs {
    bucket  = var.log_bucket
    prefix  = "load-balancer/${var.name}"
    enabled = true
  }
}

# The first link of the chain: what comes in from anywhere goes on to services alone (each service's group says which).
resource "aws_security_group" "this" {
  name        = "${var.name}-load-balancer"
  description = "HTTP and HTTPS from anywhere"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-load-balancer" }
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each          = { http = 80, https = 443 }
  security_group_id = aws_security_group.this.id
  description       = each.key == "http" ? "Only to be sent on to HTTPS" : "Clients"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}
