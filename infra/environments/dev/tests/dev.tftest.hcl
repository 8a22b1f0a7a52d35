mock_provider "aws" {
  source = "../../tests/mock"
}

run "shares_a_network_in_the_size_minimal" {
  command = apply

  assert {
    condition     = length(module.shared) == 1 && length(module.network) == 0
    error_message = "found, not made"
  }
  assert {
    condition     = toset(keys(module.environment.services)) == toset(["app-updates", "backend-api", "ml-model-service"])
    error_message = "every service of shipway.yaml"
  }
}

run "has_one_of_its_own_in_other_sizes" {
  command = apply

  variables {
    overrides = { shared_network = false }
  }

  assert {
    condition     = length(module.shared) == 0 && length(module.network) == 1 && length(module.edge) == 1
    error_message = "made, not found"
  }
}
