mock_provider "aws" {
  source = "../tests/mock"
}

variables {
  people = {
    deployer    = ["arn:aws:iam::123456789012:role/developers"]
    approver    = ["arn:aws:iam::123456789012:role/leads"]
    model-owner = ["arn:aws:iam::123456789012:role/science"]
    infra       = ["arn:aws:iam::123456789012:role/platform"]
  }
  github        = { repository = "example/ontime" }
  budget_emails = ["owner@example.com"]
  subscribers   = ["pipeline@example.com"]
}

run "all_that_exists_once" {
  command = apply

  assert {
    condition     = toset(keys(output.pipelines)) == toset(["dev", "stage", "prod"]) && toset(keys(output.repositories)) == toset(["app-updates", "backend-api", "ml-model-service"])
    error_message = "a pipeline for each environment, a repository for each service"
  }
  assert {
    condition     = toset(keys(module.buckets)) == toset(["models", "training", "monitoring", "releases", "artifacts", "bundles"])
    error_message = "the three buckets of the model's life, releases, artifacts and bundles"
  }
}
