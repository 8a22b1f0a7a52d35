output "address" {
  description = "Where devices load bundles from."
  value       = "https://${aws_cloudfront_distribution.this.domain_name}"
}
