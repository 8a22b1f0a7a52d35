mock_provider "aws" {
  source = "../../tests/mock"
}

variables {
  app             = "ontime"
  environment     = "dev"
  account         = "123456789012"
  private_subnets = ["subnet-00000000000000001", "subnet-00000000000000002"]
  security_group  = "sg-00000000000000001"
  key_arn         = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  boundary        = "arn:aws:iam::123456789012:policy/ontime-boundary"
  topic           = "arn:aws:sns:us-east-1:123456789012:ontime-dev-infrastructure"
  database        = { class = "db.t4g.micro", storage = 20, multi_az = false, backup_days = 1 }
}

run "the_database_is_private_and_encrypted" {
  command = apply

  assert {
    condition     = !aws_db_instance.this["this"].publicly_accessible && aws_db_instance.this["this"].storage_encrypted && aws_db_instance.this["this"].kms_key_id == var.key_arn
    error_message = "not reachable from the internet, encrypted with the environment's key"
  }
  assert {
    condition     = aws_db_instance.this["this"].manage_master_user_password && aws_db_instance.this["this"].password == null
    error_message = "RDS keeps the master's password, Terraform never knows it"
  }
  assert {
    condition     = one([for p in aws_db_parameter_group.this["this"].parameter : p.value if p.name == "rds.force_ssl"]) == "1"
    error_message = "TLS only"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.database["this"].policy).Statement[0].Resource[0] == "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-mock-AbCdEf"
    error_message = "the one-off task reads the master's secret of this database"
  }
}

run "what_devices_are_offered_is_a_parameter" {
  command = apply

  variables {
    bundles = true
  }

  assert {
    condition     = aws_ssm_parameter.app_bundles["this"].name == "/ontime/dev/app-bundles" && jsondecode(aws_ssm_parameter.app_bundles["this"].value).stable == "builtin"
    error_message = "at first devices have the bundle that came with the native app"
  }
}

run "prods_database_survives_a_zone_and_a_mistake" {
  command = apply

  variables {
    environment = "prod"
    protected   = true
    database    = { class = "db.t4g.micro", storage = 20, multi_az = true, backup_days = 14 }
  }

  assert {
    condition     = aws_db_instance.this["this"].multi_az && aws_db_instance.this["this"].backup_retention_period == 14 && aws_db_instance.this["this"].deletion_protection && !aws_db_instance.this["this"].skip_final_snapshot
    error_message = "a standby in the other zone, backups, and no deletion by the way"
  }
}

run "a_copy_of_real_data_needs_a_mask" {
  command = plan

  variables {
    seed = { snapshot = "rds:ontime-prod-2026-11-26", masking_command = " " }
  }

  expect_failures = [var.seed]
}

run "no_backups_are_refused" {
  command = plan

  variables {
    database = { class = "db.t4g.micro", storage = 20, multi_az = false, backup_days = 0 }
  }

  expect_failures = [var.database]
}

run "secrets_have_places_and_no_values" {
  command = plan

  variables {
    database = null
    secrets  = ["MAPS_API_KEY"]
  }

  assert {
    condition     = aws_secretsmanager_secret.service["MAPS_API_KEY"].name == "/ontime/dev/MAPS_API_KEY" && aws_secretsmanager_secret.service["MAPS_API_KEY"].kms_key_id == var.key_arn
    error_message = "a place below the environment, with its key"
  }
  assert {
    condition     = length(aws_db_instance.this) == 0 && aws_ssm_parameter.model_version.name == "/ontime/dev/model-version"
    error_message = "no database where no service has one; the model's version always"
  }
}
