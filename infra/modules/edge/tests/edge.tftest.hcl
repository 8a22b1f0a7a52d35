mock_provider "aws" {
  source = "../../tests/mock"
}

variables {
  name           = "ontime-test"
  vpc_id         = "vpc-0123456789abcdef0"
  public_subnets = ["subnet-00000000000000001", "subnet-00000000000000002"]
  hosts          = ["ontime.example"]
  log_bucket     = "logs"
}

run "speaks_https_and_sends_http_there" {
  command = plan

  assert {
    condition     = one(aws_lb_listener.http.default_action).type == "redirect" && one(one(aws_lb_listener.http.default_action).redirect).protocol == "HTTPS"
    error_message = "port 80 only sends on to HTTPS"
  }
  assert {
    condition     = aws_lb_listener.https.protocol == "HTTPS" && startswith(aws_lb_listener.https.ssl_policy, "ELBSecurityPolicy-TLS13-1-2")
    error_message = "TLS 1.2 or newer"
  }
  assert {
    condition     = one(aws_lb_listener.https.default_action).type == "fixed-response"
    error_message = "a path that no service has is answered here"
  }
  assert {
    condition     = aws_lb.this.drop_invalid_header_fields && one(aws_lb.this.access_logs).enabled
    error_message = "odd headers are dropped, accesses are logged"
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.this : rule.from_port]) == toset([80, 443])
    error_message = "nothing but 80 and 443 is open"
  }
  assert {
    condition     = length(aws_wafv2_web_acl.this) == 0
    error_message = "no WAF unless asked for"
  }
}

run "a_waf_limits_rates" {
  command = plan

  variables {
    waf_groups = ["AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"]
  }

  assert {
    condition     = length(aws_wafv2_web_acl.this["this"].rule) == 3 && length(aws_wafv2_web_acl_association.this) == 1
    error_message = "a rate limit and each managed group, in front of the load balancer"
  }
}

run "a_zone_gets_its_records" {
  command = plan

  variables {
    zone  = "Z0123456789ABCDEFGHIJ"
    hosts = ["dev.ontime.example", "stage.ontime.example"]
  }

  assert {
    condition     = length(aws_route53_record.alias) == 2 && length(aws_route53_record.proof) == 2
    error_message = "each name leads to the load balancer and is proved"
  }
}
