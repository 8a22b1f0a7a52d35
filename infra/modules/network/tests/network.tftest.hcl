mock_provider "aws" {
  source = "../../tests/mock"
}

variables {
  name           = "ontime-test"
  region         = "us-east-1"
  cidr           = "10.20.0.0/16"
  zones          = ["us-east-1a", "us-east-1b"]
  log_bucket_arn = "arn:aws:s3:::logs"
}

run "two_zones_and_nothing_public_by_itself" {
  command = apply

  assert {
    condition     = length(aws_subnet.public) == 2 && length(aws_subnet.private) == 2
    error_message = "two public and two private subnets"
  }
  assert {
    condition     = alltrue([for subnet in merge(aws_subnet.public, { for zone, it in aws_subnet.private : "private ${zone}" => it }) : subnet.map_public_ip_on_launch != true])
    error_message = "no subnet gives out public addresses by itself"
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.nat) == 2
    error_message = "one NAT serves both zones"
  }
  assert {
    condition     = length(distinct(concat(output.private_subnets, output.public_subnets))) == 4
    error_message = "public and private subnets are different ones"
  }
  assert {
    condition     = length(aws_vpc_endpoint.s3.route_table_ids) == 3 && length(aws_vpc_endpoint.interface) == 0
    error_message = "S3 is reached from inside; interface endpoints only by the list"
  }
  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL"
    error_message = "who talked to whom is kept"
  }
}

run "a_nat_in_each_zone" {
  command = plan

  variables {
    nat_per_zone = true
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 2
    error_message = "each zone has its own way out"
  }
}

run "a_nat_instance_is_closed_to_the_internet" {
  command = plan

  variables {
    nat = "instance"
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.nat : rule.cidr_ipv4 == "10.20.0.0/16"])
    error_message = "only the VPC comes in"
  }
  assert {
    condition     = alltrue([for machine in aws_instance.nat : one(machine.metadata_options).http_tokens == "required"])
    error_message = "its metadata need a token"
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 0
    error_message = "no gateway beside it"
  }
}

run "without_a_nat_the_endpoints_must_be_complete" {
  command = plan

  variables {
    nat       = "none"
    endpoints = ["logs"]
  }

  expect_failures = [output.vpc_id]
}

run "without_a_nat_nothing_leads_out" {
  command = plan

  variables {
    nat       = "none"
    endpoints = ["ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssm"]
  }

  assert {
    condition     = length(aws_route.nat) == 0 && length(aws_route.nat_instance) == 0 && length(aws_vpc_endpoint.interface) == 5
    error_message = "private subnets have no way to the internet"
  }
}

run "peers_are_routed_from_both_zones" {
  command = plan

  variables {
    peers = { data = { vpc_id = "vpc-0123456789abcdef0", cidr = "10.99.0.0/16" } }
  }

  assert {
    condition     = length(aws_route.peer) == 2
    error_message = "each private table knows the other network"
  }
}

run "a_word_that_is_no_nat_is_refused" {
  command = plan

  variables {
    nat = "yes"
  }

  expect_failures = [var.nat]
}
