# The one place where Terraform reads shipway.yaml. Shipway checks the file strictly; here it is only read, with the
# defaults of the same manual.
locals {
  yaml = yamldecode(file(var.file))
  aws  = try(local.yaml.aws, {})
  apps = try(coalesce(local.yaml.apps), {})

  # Durations (500ms, 30s, 10m, 24h, 7d, or seconds) and shares (5% or 5), each read by one expression.
  units = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }
  durations = merge(
    { for name, service in local.yaml.services : "start ${name}" => try(service.start_timeout, 60) },
    { for name, service in local.yaml.services : "drain ${name}" => try(service.drain_timeout, 30) },
    { for name, service in local.yaml.services : "answer ${name}" => try(service.answer_timeout, 60) },
    { for name, environment in local.yaml.environments : "expires ${name}" => try(environment.approval.expires, "7d") },
    { for name, environment in local.yaml.environments : "latency ${name}" => try(environment.rollout.guard.max_latency, 5) },
  )
  seconds = { for name, text in local.durations : name => (
    can(tonumber(text)) ? tonumber(text) : tonumber(regex("^[0-9.]+", text)) * local.units[regex("[a-z]+$", text)]
  ) }
  error_percent = { for name, environment in local.yaml.environments : name =>
    tonumber(trimsuffix(replace(try(environment.rollout.guard.max_error_rate, 5), " ", ""), "%"))
  }

  # A commit passes the environments before its own: four at most, as there is no recursion here.
  before = { for name, environment in local.yaml.environments : name => try(environment.after, null) }
  two    = { for name, earlier in local.before : name => earlier == null ? null : lookup(local.before, earlier, null) }
  three  = { for name, earlier in local.two : name => earlier == null ? null : lookup(local.before, earlier, null) }
  path = { for name, earlier in local.three : name =>
    [for step in [earlier, local.two[name], local.before[name], name] : step if step != null]
  }

  # More specific routes come first on the load balancer: by the length of a service's longest.
  by_route = reverse(sort([for name, service in local.yaml.services :
    format("%04d %s", max([for route in try(service.routes, []) : length(route)]...), name)
    if length(try(service.routes, [])) > 0
  ]))
  priority = { for n, entry in local.by_route : substr(entry, 5, -1) => n + 1 }

  size     = try(local.aws.size, "minimal")
  settings = merge(local.sizes[local.size][var.tier], { for key, value in var.overrides : key => value if value != null })
  chosen   = try(local.yaml.environments[var.environment].resources, {})

  # cpu and memory: the environment's word, else the service's, else the size's.
  mebibytes = { for name, text in {
    for name, service in local.yaml.services : name =>
    try(local.chosen[name].memory, service.memory, "${local.settings.memory}MiB")
    } : name => can(regex("GiB$", text)) ? tonumber(regex("^[0-9.]+", text)) * 1024 : (
    can(regex("MiB$", text)) ? tonumber(regex("^[0-9.]+", text)) : ceil(tonumber(text) / 1048576)
  ) }
}
