# What exists once, whatever the environments: keys, buckets, images, pipelines, roles of people.
module "app" {
  source = "../modules/description"
  file   = var.file
  tier   = "prod" # images are built for what prod runs on
}

locals {
  approvals = { for name, environment in module.app.environments : name => {
    approval  = environment.approval
    pipelines = [for other, it in module.app.environments : "${module.app.app}-${other}" if contains(it.path, name)]
  } }
}

module "key" {
  source      = "../modules/key"
  name        = module.app.app
  description = "Buckets, images, artifacts and build logs of ${module.app.app}"
  account     = module.app.account
  logs_region = module.app.region
  publishers  = ["events.amazonaws.com"]
}

# A connection is made here but confirmed by a person, once, in the console: until then it is PENDING.
resource "aws_codeconnections_connection" "this" {
  for_each      = toset(module.app.source.connection == "github" ? ["this"] : [])
  name          = module.app.app
  provider_type = "GitHub"
}

module "pipeline" {
  source       = "../modules/pipeline"
  app          = module.app.app
  account      = module.app.account
  region       = module.app.region
  services     = module.app.services
  apps         = module.app.apps
  environments = module.app.environments
  buckets      = module.app.names
  key_arn      = module.key.arn
  boundary     = module.guard.boundary
  architecture = module.app.settings.architecture
  log_days     = module.app.settings.log_days
  shipway      = var.shipway
  subscribers  = var.subscribers
  protected    = var.protected

  source_code = merge(module.app.source, {
    codecommit = module.app.source.connection == "codecommit"
    connection = try(aws_codeconnections_connection.this["this"].arn, module.app.source.connection)
  })

  depends_on = [module.buckets]
}

module "guard" {
  source        = "../modules/guard"
  app           = module.app.app
  account       = module.app.account
  region        = module.app.region
  environments  = local.approvals
  buckets       = module.app.names
  app_key_arn   = module.key.arn
  people        = var.people
  github        = var.github
  budget        = module.app.settings.budget
  budget_emails = var.budget_emails
}

output "pipelines" {
  description = "Name of each environment's pipeline."
  value       = module.pipeline.pipelines
}

output "repositories" {
  description = "Where each service's images lie."
  value       = module.pipeline.repositories
}
