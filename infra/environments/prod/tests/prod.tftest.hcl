mock_provider "aws" {
  source = "../../tests/mock"
}

run "nothing_is_planned_while_nobody_hears_the_alarms" {
  command = plan

  expect_failures = [var.subscribers]
}

run "nor_while_one_area_is_deaf" {
  command = plan

  variables {
    subscribers = { api = ["on-call@example.com"], infrastructure = ["platform@example.com"] }
  }

  expect_failures = [var.subscribers]
}

run "somebody_hears_the_alarms" {
  command = apply

  variables {
    subscribers = {
      api            = ["https://events.pagerduty.example/api"]
      model          = ["science@example.com"]
      infrastructure = ["platform@example.com"]
    }
  }

  assert {
    condition     = alltrue([for service in module.environment.services : length(service.rollback_alarms) == 4 && length(service.target_groups) == 2])
    error_message = "two sides of each service, with alarms that roll back"
  }
}
