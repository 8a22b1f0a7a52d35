output "boundary" {
  description = "ARN of the permission boundary."
  value       = aws_iam_policy.boundary.arn
}

output "roles" {
  description = "ARNs of the roles that people and workflows take."
  value = merge(
    { for name, role in aws_iam_role.person : name => role.arn },
    { for name, role in aws_iam_role.github : role.name => role.arn },
  )
}
