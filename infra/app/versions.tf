terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }

  # Bucket, key and region come from `terraform init -backend-config`: `shipway infra` gives them.
  backend "s3" {
    use_lockfile = true
    encrypt      = true
  }
}

provider "aws" {
  region              = module.app.region
  allowed_account_ids = [module.app.account]

  default_tags {
    tags = { app = module.app.app, managed-by = "terraform" }
  }
}
