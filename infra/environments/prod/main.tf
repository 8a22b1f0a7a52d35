# The environment prod: a network of its own in every size, a database over two zones, and somebody who hears its alarms.

# All that tells this root from others of its kind; `shipway infra init` writes them.
locals {
  environment = "prod"
}

module "app" {
  source      = "../../modules/description"
  file        = var.file
  tier        = "prod"
  environment = local.environment
  overrides   = var.overrides
}

module "network" {
  source         = "../../modules/network"
  name           = "${module.app.app}-${local.environment}"
  region         = module.app.region
  cidr           = var.cidr
  zones          = [for letter in var.zones : "${module.app.region}${letter}"]
  nat            = module.app.settings.nat
  nat_per_zone   = module.app.settings.nat_per_zone
  endpoints      = module.app.settings.endpoints
  log_bucket_arn = "arn:aws:s3:::${module.app.names.access}"
}

module "edge" {
  source         = "../../modules/edge"
  name           = "${module.app.app}-${local.environment}"
  vpc_id         = module.network.vpc_id
  public_subnets = module.network.public_subnets
  hosts          = [module.app.environments[local.environment].host]
  zone           = module.app.zone
  idle_timeout   = max([for service in module.app.services : ceil(service.answer)]...)
  waf_groups     = module.app.settings.waf_groups
  log_bucket     = module.app.names.access
  protected      = var.protected
}

module "environment" {
  source      = "../../modules/environment"
  name        = local.environment
  app         = module.app
  subscribers = var.subscribers
  protected   = var.protected

  network = {
    vpc_id              = module.network.vpc_id
    private_subnets     = module.network.private_subnets
    load_balancer       = module.edge.load_balancer
    load_balancer_group = module.edge.security_group
    listener_arn        = module.edge.listener_arn
  }
}

output "records" {
  description = "DNS records to write where the zone is not Terraform's."
  value       = module.edge.records
}

output "services" {
  description = "What a rollout moves: each service's family, target groups, rule, and the alarms that roll back."
  value       = module.environment.services
}
