mock_provider "aws" {
  source = "../../tests/mock"
}

run "minimal_shares_a_network" {
  command = apply

  assert {
    condition     = length(module.network) == 1 && length(module.edge) == 1
    error_message = "one network and one load balancer for dev and stage"
  }
}

run "other_sizes_share_nothing" {
  command = plan

  variables {
    overrides = { shared_network = false }
  }

  assert {
    condition     = length(module.network) == 0 && length(module.edge) == 0
    error_message = "each environment has its own"
  }
}
