mock_provider "aws" {
  source = "../../tests/mock"
}

run "rotates_and_trusts_this_account_alone" {
  command = apply

  variables {
    name        = "ontime"
    description = "test"
    account     = "123456789012"
    services    = ["logs.us-east-1.amazonaws.com"]
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "a key rotates"
  }
  assert {
    condition = alltrue([for s in jsondecode(aws_kms_key.this.policy).Statement :
      try(s.Principal.AWS, "") == "arn:aws:iam::123456789012:root" || try(s.Condition.StringEquals["aws:SourceAccount"], "") == "123456789012"
    ])
    error_message = "nobody of another account uses the key"
  }
}
