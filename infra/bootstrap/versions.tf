terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {
  region              = module.app.region
  allowed_account_ids = [module.app.account]

  default_tags {
    tags = { app = module.app.app, managed-by = "terraform" }
  }
}
