mock_provider "aws" {
  source = "../../tests/mock"
}

run "finds_by_name" {
  command = apply

  variables {
    name = "ontime-shared-nonprod"
  }

  assert {
    condition     = output.security_group == "sg-0123456789abcdef0" && length(output.private_subnets) == 2
    error_message = "what an environment needs of its network is found"
  }
}
