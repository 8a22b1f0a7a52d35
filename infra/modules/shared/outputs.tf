output "vpc_id" {
  description = "The VPC."
  value       = data.aws_vpc.this.id
}

output "private_subnets" {
  description = "Subnets of tasks and databases."
  value       = data.aws_subnets.private.ids
}

output "listener_arn" {
  description = "The HTTPS listener."
  value       = data.aws_lb_listener.https.arn
}

output "load_balancer" {
  description = "The load balancer's part of metric names."
  value       = data.aws_lb.this.arn_suffix
}

output "security_group" {
  description = "The load balancer's security group."
  value       = one(data.aws_lb.this.security_groups)
}
