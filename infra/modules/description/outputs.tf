output "app" {
  description = "The app's name; it begins every name on AWS."
  value       = local.yaml.app

  precondition {
    condition     = can(local.aws.account) && can(local.aws.region) && can(local.aws.domain)
    error_message = "shipway.yaml has no complete aws: section: account, region and domain are needed (see the annotated shipway.yaml)."
  }
  precondition {
    condition = alltrue([for pair in setproduct(keys(local.yaml.services), keys(local.yaml.environments)) :
      length("${local.yaml.app}-${pair[1]}-${pair[0]}") <= 50
    ])
    error_message = "The names of app, environment and service are together longer than 50 letters: a role's name has 64 in all. Shorten one."
  }
  precondition {
    condition     = alltrue([for name, earlier in local.three : earlier == null || try(local.before[earlier], null) == null])
    error_message = "More than four environments follow each other by `after`: the pipeline module reads four."
  }
}

output "account" {
  description = "The AWS account that holds the app."
  value       = local.aws.account
}

output "region" {
  description = "The region."
  value       = local.aws.region
}

output "domain" {
  description = "Public name of prod; other environments are NAME.domain."
  value       = local.aws.domain
}

output "zone" {
  description = "Route 53 hosted zone in which records are written; null where DNS is elsewhere."
  value       = try(local.aws.zone, null)
}

output "source" {
  description = "Where commits come from: the connection (github, codecommit or an ARN), and the repository of each service."
  value = {
    connection   = try(local.aws.connection, "github")
    repository   = try(local.aws.repository, local.yaml.app)
    repositories = try(local.aws.repositories, {})
  }
}

output "settings" {
  description = "What the size means for this tier, with the overrides."
  value       = local.settings
}

output "names" {
  description = "Names that more than one root must know. S3's are unique on all of AWS, so they carry the account."
  value = {
    models     = "${local.yaml.app}-${local.aws.account}-${try(local.yaml.model.bucket, "ml-models-bucket")}"
    training   = "${local.yaml.app}-${local.aws.account}-training-data-bucket"
    monitoring = "${local.yaml.app}-${local.aws.account}-monitoring-bucket"
    releases   = "${local.yaml.app}-${local.aws.account}-releases"
    artifacts  = "${local.yaml.app}-${local.aws.account}-artifacts"
    bundles    = length(local.apps) == 0 ? null : "${local.yaml.app}-${local.aws.account}-${try(one(values(local.apps)).bucket, "app-bundles-bucket")}"
    access     = "${local.yaml.app}-${local.aws.account}-access-logs"
    state      = "${local.yaml.app}-${local.aws.account}-terraform-state"
    boundary   = "arn:aws:iam::${local.aws.account}:policy/${local.yaml.app}-boundary"
  }
}

output "services" {
  description = "The services, with what the chosen environment says of them."
  value = { for name, service in local.yaml.services : name => {
    path      = service.path
    include   = try(service.include, [])
    routes    = try(service.routes, [])
    health    = try(service.health, "/health")
    ready     = try(service.ready, service.health, "/health")
    model     = try(service.model, false)
    labels    = can(service.env.LABELS)
    updates   = contains([for app in values(local.apps) : app.updates], name)
    uses      = keys(try(service.uses, {}))
    database  = try(service.database, null)
    secrets   = try(service.secrets, [])
    migrates  = can(service.before_traffic)
    log_group = try(service.log_group, "/ecs/${name}")
    priority  = lookup(local.priority, name, null)
    start     = local.seconds["start ${name}"]
    drain     = local.seconds["drain ${name}"]
    answer    = local.seconds["answer ${name}"]
    cpu       = try(floor(local.chosen[name].cpu * 1024), floor(service.cpu * 1024), local.settings.cpu)
    memory    = local.mebibytes[name]
  } }
}

output "apps" {
  description = "The app that devices run, at most one: its folder."
  value       = { for name, app in local.apps : name => { path = app.path } }
}

output "environments" {
  description = "The environments: branch, the path of a commit, tasks, approval, and the bounds that alarms watch."
  value = { for name, environment in local.yaml.environments : name => {
    branch          = environment.branch
    path            = local.path[name]
    tasks           = environment.tasks
    strategy        = environment.rollout.strategy
    approval        = can(environment.approval.roles)
    expires_minutes = max(5, min(86400, ceil(local.seconds["expires ${name}"] / 60)))
    error_percent   = local.error_percent[name]
    latency         = local.seconds["latency ${name}"]
    host            = name == "prod" ? local.aws.domain : "${name}.${local.aws.domain}"
  } }
}
