output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id

  precondition {
    condition     = var.nat != "none" || length(setsubtract(local.needed, var.endpoints)) == 0
    error_message = "Without a NAT, tasks reach AWS by interface endpoints alone; missing: ${join(", ", setsubtract(local.needed, var.endpoints))}."
  }
}

output "cidr" {
  description = "Its addresses."
  value       = aws_vpc.this.cidr_block
}

output "public_subnets" {
  description = "Subnets of the load balancer."
  value       = [for subnet in aws_subnet.public : subnet.id]
}

output "private_subnets" {
  description = "Subnets of tasks and databases."
  value       = [for subnet in aws_subnet.private : subnet.id]
}
