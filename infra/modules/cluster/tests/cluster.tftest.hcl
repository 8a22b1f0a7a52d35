mock_provider "aws" {
  source = "../../tests/mock"
}

variables {
  app                 = "ontime"
  environment         = "prod"
  account             = "123456789012"
  region              = "us-east-1"
  vpc_id              = "vpc-0123456789abcdef0"
  load_balancer_group = "sg-00000000000000001"
  boundary            = "arn:aws:iam::123456789012:policy/ontime-boundary"
  services = {
    backend-api      = { routes = ["/api/*"], uses = ["ml-model-service"], database = "DATABASE_URL" }
    ml-model-service = { routes = ["/ml/*"], uses = [] }
  }
}

run "security_groups_chain" {
  command = plan

  assert {
    condition     = toset(keys(aws_vpc_security_group_ingress_rule.database)) == toset(["backend-api"]) && alltrue([for rule in aws_vpc_security_group_ingress_rule.database : rule.from_port == 5432 && rule.to_port == 5432 && rule.cidr_ipv4 == null])
    error_message = "only the service that has the database reaches it, by its port alone"
  }
  assert {
    condition     = alltrue([for rule in merge(aws_vpc_security_group_ingress_rule.routed, aws_vpc_security_group_ingress_rule.uses) : rule.cidr_ipv4 == null && rule.cidr_ipv6 == null])
    error_message = "tasks are reached from security groups, never from addresses"
  }
  assert {
    condition     = toset(keys(aws_vpc_security_group_ingress_rule.uses)) == toset(["backend-api to ml-model-service"])
    error_message = "a service is reached by those that use it"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.aws : rule.from_port == 443 && rule.to_port == 443])
    error_message = "what goes anywhere goes by HTTPS"
  }
}

run "each_support_area_has_a_topic_of_its_own" {
  command = apply

  variables {
    subscribers = { api = ["api@example.com", "https://events.example.com/key"] }
  }

  assert {
    condition     = toset(keys(aws_sns_topic.area)) == toset(["api", "model", "infrastructure"]) && alltrue([for topic in aws_sns_topic.area : topic.kms_master_key_id != null])
    error_message = "api, model and infrastructure, encrypted"
  }
  assert {
    condition     = toset([for one in aws_sns_topic_subscription.area : one.protocol]) == toset(["email", "https"])
    error_message = "people by e-mail, paging services by https"
  }
  assert {
    condition     = aws_iam_role.infrastructure.permissions_boundary == var.boundary
    error_message = "the role that shifts traffic is bounded"
  }
}

run "an_area_that_is_none_is_refused" {
  command = plan

  variables {
    subscribers = { sales = ["a@example.com"] }
  }

  expect_failures = [var.subscribers]
}
