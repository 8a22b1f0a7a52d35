variables {
  file = "../../../shipway.yaml"
}

run "reads_the_apps_own_file" {
  command = plan

  variables {
    tier        = "prod"
    environment = "prod"
  }

  assert {
    condition     = output.app == "ontime" && output.account == "123456789012"
    error_message = "app and account come from shipway.yaml"
  }
  assert {
    condition     = output.environments["prod"].path == tolist(["dev", "prod"]) || jsonencode(output.environments["prod"].path) == jsonencode(["dev", "prod"])
    error_message = "a commit to prod passes dev: ${jsonencode(output.environments["prod"].path)}"
  }
  assert {
    condition     = output.environments["stage"].expires_minutes == 10080
    error_message = "7d are 10080 minutes"
  }
  assert {
    condition     = output.environments["prod"].error_percent == 5 && output.environments["prod"].latency == 5
    error_message = "5% and 5s are read as numbers"
  }
  assert {
    condition     = output.services["backend-api"].cpu == 256 && output.services["backend-api"].memory == 512
    error_message = "what shipway.yaml leaves out comes from the size"
  }
  assert {
    condition     = output.services["ml-model-service"].priority < output.services["backend-api"].priority
    error_message = "the longer route comes first"
  }
  assert {
    condition     = output.environments["dev"].host == "dev.ontime.example" && output.environments["prod"].host == "ontime.example"
    error_message = "prod has the domain, the others their names below it"
  }
}

# The description's table of environments.
run "environments_are_those_that_were_asked_for" {
  command = plan

  assert {
    condition     = output.environments["dev"].tasks == { min = 1, max = 2 } && !output.environments["dev"].approval
    error_message = "dev: 1 to 2 tasks, by itself"
  }
  assert {
    condition     = output.environments["stage"].tasks == { min = 2, max = 3 } && output.environments["stage"].approval
    error_message = "stage: 2 to 3 tasks, after an approval"
  }
  assert {
    condition     = output.environments["prod"].tasks.min >= 3 && output.environments["prod"].approval && contains(["blue_green", "canary", "linear"], output.environments["prod"].strategy)
    error_message = "prod: 3 tasks or more, two sides, after an approval"
  }
}

run "sizes_differ_where_it_counts" {
  command = plan

  variables {
    tier = "prod"
  }

  assert {
    condition     = output.settings.multi_az && output.settings.backup_days >= 7 && !output.settings.spot && length(output.settings.waf_groups) > 0
    error_message = "prod in the smallest size: a standby, a week of backups, no Spot, a WAF"
  }
}

run "one_setting_can_be_overridden" {
  command = plan

  variables {
    overrides = { nat = "instance" }
  }

  assert {
    condition     = output.settings.nat == "instance" && output.settings.spot
    error_message = "the one is changed, the others stay"
  }
}

run "an_unknown_tier_is_refused" {
  command = plan

  variables {
    tier = "test"
  }

  expect_failures = [var.tier]
}
