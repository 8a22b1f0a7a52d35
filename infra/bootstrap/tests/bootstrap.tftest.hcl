mock_provider "aws" {
  source = "../tests/mock"
}

run "state_has_a_place" {
  command = apply

  assert {
    condition     = module.state.name != "" && output.backend.region == "us-east-1"
    error_message = "the other roots are told where their state is"
  }
}
