# What dev and stage share in the size `minimal`: one network with one NAT, one load balancer. Other sizes apply nothing
# here.
module "app" {
  source    = "../../modules/description"
  file      = var.file
  tier      = "dev"
  overrides = var.overrides
}

locals {
  sharing = ["dev", "stage"] # `shipway infra init` writes them
  name    = "${module.app.app}-shared-nonprod"
  shared  = toset(module.app.settings.shared_network ? ["this"] : [])
}

module "network" {
  for_each       = local.shared
  source         = "../../modules/network"
  name           = local.name
  region         = module.app.region
  cidr           = var.cidr
  zones          = [for letter in var.zones : "${module.app.region}${letter}"]
  nat            = module.app.settings.nat
  nat_per_zone   = module.app.settings.nat_per_zone
  endpoints      = module.app.settings.endpoints
  log_bucket_arn = "arn:aws:s3:::${module.app.names.access}"
}

module "edge" {
  for_each       = local.shared
  source         = "../../modules/edge"
  name           = local.name
  vpc_id         = module.network["this"].vpc_id
  public_subnets = module.network["this"].public_subnets
  hosts          = [for name in local.sharing : module.app.environments[name].host]
  zone           = module.app.zone
  idle_timeout   = max([for service in module.app.services : ceil(service.answer)]...)
  waf_groups     = module.app.settings.waf_groups
  log_bucket     = module.app.names.access
}

output "records" {
  description = "DNS records to write where the zone is not Terraform's."
  value       = flatten([for edge in module.edge : edge.records])
}
