mock_provider "aws" {
  source = "../../tests/mock"
}

run "rotates_and_trusts_this_account_alone" {
  command = apply

  variables {
    name        = "ontime"
    description = "test"
    account     = "123456789012"
    logs_region = "us-east-1"
    publishers  = ["cloudwatch.amazonaws.com"]
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "a key rotates"
  }
  assert {
    condition     = one([for s in jsondecode(aws_kms_key.this.policy).Statement : s.Principal.AWS if s.Sid == "AccountDecides"]) == "arn:aws:iam::123456789012:root"
    error_message = "the account's own policies decide who uses it"
  }
  assert {
    condition     = one([for s in jsondecode(aws_kms_key.this.policy).Statement : s.Condition.ArnLike["kms:EncryptionContext:aws:logs:arn"] if s.Sid == "LogsEncrypt"]) == "arn:aws:logs:us-east-1:123456789012:log-group:*"
    error_message = "only this account's log groups"
  }
  assert {
    condition     = one([for s in jsondecode(aws_kms_key.this.policy).Statement : s.Action if s.Sid == "PublishersEncrypt"]) == ["kms:Decrypt", "kms:GenerateDataKey"]
    error_message = "publishers may use it and no more"
  }
}
