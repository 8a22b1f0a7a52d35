locals {
  # Zones that hold a NAT: each, or the first for both.
  gateways = toset(var.nat == "gateway" ? (var.nat_per_zone ? var.zones : [var.zones[0]]) : [])
  instance = toset(var.nat == "instance" ? [var.zones[0]] : [])
}

resource "aws_eip" "nat" {
  for_each = local.gateways
  domain   = "vpc"

  tags = { Name = "${var.name}-nat-${each.key}" }
}

resource "aws_nat_gateway" "this" {
  for_each      = local.gateways
  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id

  tags       = { Name = "${var.name}-${each.key}" }
  depends_on = [aws_internet_gateway.this]
}

resource "aws_route" "nat" {
  for_each               = toset(var.nat == "gateway" ? var.zones : [])
  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[var.nat_per_zone ? each.key : var.zones[0]].id
}

# ---------------------------------------------------------------------------------------------------------------------
# The cheap way out: Amazon Linux that forwards packets. It has no role, no key and no open port but for the VPC.
data "aws_ssm_parameter" "image" {
  for_each = local.instance
  name     = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
}

resource "aws_security_group" "nat" {
  for_each    = local.instance
  name        = "${var.name}-nat"
  description = "What the private subnets send out"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-nat" }
}

resource "aws_vpc_security_group_ingress_rule" "nat" {
  for_each          = local.instance
  security_group_id = aws_security_group.nat[each.key].id
  description       = "HTTPS from the private subnets"
  cidr_ipv4         = var.cidr
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "nat" {
  for_each          = toset(length(local.instance) == 0 ? [] : ["80", "443"])
  security_group_id = aws_security_group.nat[var.zones[0]].id
  description       = each.key == "80" ? "Its own packages" : "HTTPS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = tonumber(each.key)
  to_port           = tonumber(each.key)
}

resource "aws_instance" "nat" {
  for_each                    = local.instance
  ami                         = data.aws_ssm_parameter.image[each.key].value
  instance_type               = "t4g.nano"
  subnet_id                   = aws_subnet.public[each.key].id
  associate_public_ip_address = true
  source_dest_check           = false
  ebs_optimized               = true
  vpc_security_group_ids      = [aws_security_group.nat[each.key].id]

  metadata_options {
    http_tokens = "required"
  }

  root_block_device {
    encrypted = true
  }

  user_data = <<-SCRIPT
    #!/bin/sh
    set -e
    dnf install -y nftables
    echo 'net.ipv4.ip_forward = 1' > /etc/sysctl.d/90-nat.conf
    sysctl --system
    echo 'table ip nat { chain out { type nat hook postrouting priority 100; masquerade } }' > /etc/sysconfig/nftables.conf
    systemctl enable --now nftables
  SCRIPT

  tags = { Name = "${var.name}-nat" }

  lifecycle {
    # Amazon names a new image every few weeks: the machine is replaced when someone says so (-replace), not by the way.
    ignore_changes = [ami]
  }
}

resource "aws_route" "nat_instance" {
  for_each               = toset(var.nat == "instance" ? var.zones : [])
  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  network_interface_id   = aws_instance.nat[var.zones[0]].primary_network_interface_id
}
