# The environment stage: what dev has passed, on data like production's.

# All that tells this root from others of its kind; `shipway infra init` writes them.
locals {
  environment = "stage"
  rules_from  = 200 # priority of its first rule on a load balancer that it shares
}

module "app" {
  source      = "../../modules/description"
  file        = var.file
  tier        = "stage"
  environment = local.environment
  overrides   = var.overrides
}

# A network and a load balancer of its own, or those that it shares (size `minimal`).
locals {
  own    = toset(module.app.settings.shared_network ? [] : ["this"])
  shared = toset(module.app.settings.shared_network ? ["this"] : [])
}

module "network" {
  for_each       = local.own
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
  for_each       = local.own
  source         = "../../modules/edge"
  name           = "${module.app.app}-${local.environment}"
  vpc_id         = module.network["this"].vpc_id
  public_subnets = module.network["this"].public_subnets
  hosts          = [module.app.environments[local.environment].host]
  zone           = module.app.zone
  idle_timeout   = max([for service in module.app.services : ceil(service.answer)]...)
  waf_groups     = module.app.settings.waf_groups
  log_bucket     = module.app.names.access
}

module "shared" {
  for_each = local.shared
  source   = "../../modules/shared"
  name     = "${module.app.app}-shared-nonprod"
}

module "environment" {
  source      = "../../modules/environment"
  name        = local.environment
  app         = module.app
  subscribers = var.subscribers
  seed        = var.seed
  rules_from  = local.rules_from

  network = {
    vpc_id              = one(concat(values(module.network), values(module.shared))[*].vpc_id)
    private_subnets     = one(concat(values(module.network), values(module.shared))[*].private_subnets)
    load_balancer       = one(concat(values(module.edge), values(module.shared))[*].load_balancer)
    load_balancer_group = one(concat(values(module.edge), values(module.shared))[*].security_group)
    listener_arn        = one(concat(values(module.edge), values(module.shared))[*].listener_arn)
  }
}

output "records" {
  description = "DNS records to write where the zone is not Terraform's."
  value       = flatten([for edge in module.edge : edge.records])
}

output "services" {
  description = "What a rollout moves: each service's family, target groups, rule, and the alarms that roll back."
  value       = module.environment.services
}
