locals {
  app         = var.app
  settings    = local.app.settings
  environment = local.app.environments[var.name]
  databases   = [for name, service in local.app.services : name if service.database != null]
}

# infra/app made it: the key of the buckets.
data "aws_kms_alias" "app" {
  name = "alias/${local.app.app}"
}

module "cluster" {
  source              = "../cluster"
  app                 = local.app.app
  environment         = var.name
  account             = local.app.account
  region              = local.app.region
  vpc_id              = var.network.vpc_id
  load_balancer_group = var.network.load_balancer_group
  services            = local.app.services
  boundary            = local.app.names.boundary
  subscribers         = var.subscribers
}

module "data" {
  source          = "../data"
  app             = local.app.app
  environment     = var.name
  account         = local.app.account
  private_subnets = var.network.private_subnets
  security_group  = module.cluster.database_group
  key_arn         = module.cluster.key_arn
  boundary        = local.app.names.boundary
  topic           = module.cluster.topics["infrastructure"]
  protected       = var.protected
  seed            = var.seed
  bundles         = length(local.app.apps) > 0
  secrets         = toset(flatten([for service in local.app.services : service.secrets]))

  database = length(local.databases) == 0 ? null : {
    class       = local.settings.database_class
    storage     = local.settings.database_storage
    multi_az    = local.settings.multi_az
    backup_days = local.settings.backup_days
  }
}

# Bundles may be cached near the devices. They come from the service, which signs them: what lies in the bucket is plain.
module "cdn" {
  source   = "../cdn"
  for_each = toset(local.settings.bundles_cdn && length(local.app.apps) > 0 ? ["this"] : [])
  name     = "${local.app.app}-${var.name}"
  host     = local.environment.host
}

module "service" {
  source              = "../service"
  for_each            = local.app.services
  app                 = local.app.app
  environment         = var.name
  account             = local.app.account
  region              = local.app.region
  name                = each.key
  service             = each.value
  host                = local.environment.host
  tasks               = local.environment.tasks
  bounds              = { error_percent = local.environment.error_percent, latency = local.environment.latency }
  cluster             = module.cluster
  edge                = var.network
  rules_from          = var.rules_from
  architecture        = local.settings.architecture
  spot                = local.settings.spot
  office_hours        = local.settings.office_hours ? var.office_hours : null
  log_days            = local.settings.log_days
  buckets             = local.app.names
  cdn                 = one([for cdn in module.cdn : cdn.address])
  app_key_arn         = data.aws_kms_alias.app.target_key_arn
  database_address    = module.data.address
  database_secret_arn = module.data.database_secret_arn
  secret_arns         = module.data.secret_arns
  boundary            = local.app.names.boundary

  network = {
    vpc_id          = var.network.vpc_id
    private_subnets = var.network.private_subnets
    security_group  = module.cluster.service_groups[each.key]
  }
}
