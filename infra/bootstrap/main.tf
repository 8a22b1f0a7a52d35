# Once for each account, with a state of its own on disk: the bucket in which all other roots keep theirs.
module "app" {
  source = "../modules/description"
  file   = var.file
}

module "key" {
  source      = "../modules/key"
  name        = "${module.app.app}-terraform-state"
  description = "Terraform's state of ${module.app.app}"
  account     = module.app.account
}

module "state" {
  source       = "../modules/bucket"
  name         = module.app.names.state
  key_arn      = module.key.arn
  old_versions = 365
  protected    = var.protected
}

output "backend" {
  description = "What the other roots need: terraform init -backend-config=… for each, and -backend-config=key=NAME.tfstate."
  value       = { bucket = module.state.name, region = module.app.region, kms_key_id = module.key.arn }
}
