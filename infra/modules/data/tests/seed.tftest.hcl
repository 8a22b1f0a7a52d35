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

run "stage_starts_from_production_like_data" {
  command = apply

  variables {
    environment = "stage"
    seed        = { snapshot = "rds:ontime-prod-2026-11-26", masking_command = "python -m backend_api.mask" }
  }

  assert {
    condition     = aws_db_instance.this["this"].snapshot_identifier == "rds:ontime-prod-2026-11-26" && aws_ssm_parameter.masking_command["this"].value == "python -m backend_api.mask"
    error_message = "the snapshot, and the command that masks it"
  }
}
