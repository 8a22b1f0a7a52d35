output "listener_arn" {
  description = "The HTTPS listener, to which services add their rules."
  value       = aws_lb_listener.https.arn
}

output "load_balancer" {
  description = "The load balancer's part of metric names (arn_suffix)."
  value       = aws_lb.this.arn_suffix
}

output "address" {
  description = "Its own name, to which the public names lead."
  value       = aws_lb.this.dns_name
}

output "security_group" {
  description = "What comes from clients."
  value       = aws_security_group.this.id
}

output "records" {
  description = "DNS records to write where the zone is not Terraform's: those that prove the names, and one for each name."
  value = var.zone != null ? [] : concat(
    [for name, proof in local.proofs : try("${proof.resource_record_name} ${proof.resource_record_type} ${proof.resource_record_value}", name)],
    [for host in var.hosts : "${host} CNAME ${aws_lb.this.dns_name}"],
  )
}
