locals {
  # What a task asks for before and while it serves. Where nothing else leads out, none of it may be missing.
  needed = toset(["ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssm"])
}

# Free, and always there: models, captures and image layers stay inside.
resource "aws_vpc_endpoint" "s3" {
  vpc_id          = aws_vpc.this.id
  service_name    = "com.amazonaws.${var.region}.s3"
  route_table_ids = concat([aws_route_table.public.id], [for table in aws_route_table.private : table.id])

  tags = { Name = "${var.name}-s3" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each            = toset(var.endpoints)
  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [for group in aws_security_group.endpoints : group.id]
  private_dns_enabled = true

  tags = { Name = "${var.name}-${each.key}" }

  lifecycle {
    precondition {
      condition     = !strcontains(each.key, "s3")
      error_message = "S3 has its gateway endpoint already, which is free: leave it out of endpoints."
    }
  }
}

resource "aws_security_group" "endpoints" {
  for_each    = toset(length(var.endpoints) == 0 ? [] : ["this"])
  name        = "${var.name}-endpoints"
  description = "AWS services from inside the VPC"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  for_each          = aws_security_group.endpoints
  security_group_id = each.value.id
  description       = "HTTPS from the VPC"
  cidr_ipv4         = var.cidr
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
