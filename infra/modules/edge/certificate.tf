resource "aws_acm_certificate" "this" {
  for_each                  = toset(var.certificate_arn == null ? ["this"] : [])
  domain_name               = var.hosts[0]
  subject_alternative_names = slice(var.hosts, 1, length(var.hosts))
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  # By the names, which are known before the certificate is.
  proofs = { for pair in setproduct(keys(aws_acm_certificate.this), var.hosts) : pair[1] => one([
    for option in aws_acm_certificate.this[pair[0]].domain_validation_options : option if option.domain_name == pair[1]
  ]) }
}

resource "aws_route53_record" "proof" {
  for_each        = var.zone == null ? {} : local.proofs
  zone_id         = var.zone
  name            = each.value.resource_record_name
  type            = each.value.resource_record_type
  records         = [each.value.resource_record_value]
  ttl             = 300
  allow_overwrite = true
}

# Waits until Amazon has seen the records.
resource "aws_acm_certificate_validation" "this" {
  for_each        = aws_acm_certificate.this
  certificate_arn = each.value.arn

  timeouts {
    create = "45m"
  }

  depends_on = [aws_route53_record.proof]
}

resource "aws_route53_record" "alias" {
  for_each = toset(var.zone == null ? [] : var.hosts)
  zone_id  = var.zone
  name     = each.key
  type     = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = false
  }
}
