variable "app" {
  description = "The app's name."
  type        = string
}

variable "environment" {
  description = "The environment's name."
  type        = string
}

variable "account" {
  description = "The AWS account."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "name" {
  description = "The service's name in shipway.yaml."
  type        = string
}

variable "service" {
  description = "What shipway.yaml says of it (the output `services` of modules/description)."
  type = object({
    routes    = list(string)
    ready     = string
    model     = bool
    labels    = optional(bool, false)
    updates   = optional(bool, false)
    database  = optional(string)
    secrets   = list(string)
    log_group = string
    priority  = optional(number)
    start     = number
    drain     = number
    cpu       = number
    memory    = number
  })

  validation {
    condition = contains(lookup({
      256  = [512, 1024, 2048]
      512  = range(1024, 4097, 1024)
      1024 = range(2048, 8193, 1024)
      2048 = range(4096, 16385, 1024)
      4096 = range(8192, 30721, 1024)
    }, var.service.cpu, []), var.service.memory)
    error_message = "Fargate has no task with this cpu and memory: 0.25 vCPU takes 512MiB, 1GiB or 2GiB; 0.5 takes 1 to 4 GiB; 1 takes 2 to 8; 2 takes 4 to 16; 4 takes 8 to 30, by whole GiB."
  }
  validation {
    condition     = length(var.service.routes) <= 4
    error_message = "A rule of the load balancer holds the host's name and 4 paths: a service has 4 routes at most on AWS."
  }
}

variable "host" {
  description = "Public name of the environment."
  type        = string
}

variable "tasks" {
  description = "Fewest and most tasks."
  type        = object({ min = number, max = number })
}

variable "bounds" {
  description = "What alarms watch, from the guard of the environment's rollouts: per cent of failed requests, and seconds of the 95th percentile."
  type        = object({ error_percent = number, latency = number })
}

variable "cluster" {
  description = "The cluster's outputs."
  type = object({
    name                = string
    id                  = string
    namespace           = string
    key_arn             = string
    infrastructure_role = string
    topics              = map(string)
  })
}

variable "network" {
  description = "Where its tasks run and who may reach them."
  type = object({
    vpc_id          = string
    private_subnets = list(string)
    security_group  = string
  })
}

variable "edge" {
  description = "The load balancer: its HTTPS listener, and its part of metric names."
  type        = object({ listener_arn = string, load_balancer = string })
}

variable "rules_from" {
  description = "Priority of the first rule; environments that share a load balancer start at different ones."
  type        = number
  default     = 100
}

variable "port" {
  description = "Port on which a task listens."
  type        = number
  default     = 8080
}

variable "architecture" {
  description = "ARM64 or X86_64."
  type        = string
  default     = "ARM64"
}

variable "spot" {
  description = "Whether tasks run on Fargate Spot: cheaper, stopped at two minutes' notice."
  type        = bool
  default     = false
}

variable "office_hours" {
  description = "When tasks run, where they need not at night; null runs them always."
  type        = object({ time_zone = string, begin = string, end = string })
  default     = null
}

variable "log_days" {
  description = "Days that its logs are kept."
  type        = number
  default     = 14
}

variable "buckets" {
  description = "Names of the buckets: models and captures for services with `model: true`, bundles for the one that `apps:` names under `updates`."
  type        = object({ models = string, monitoring = string, bundles = optional(string) })
}

variable "app_key_arn" {
  description = "Key of the app's buckets."
  type        = string
}

variable "cdn" {
  description = "Address of what caches app bundles in front of the load balancer; null without one."
  type        = string
  default     = null
}

variable "database_address" {
  description = "Host and port of the database; null where no service has one."
  type        = string
  default     = null
}

variable "database_secret_arn" {
  description = "Secret of the application's database user; read at each connect by services that have a database."
  type        = string
}

variable "secret_arns" {
  description = "The environment's secrets: name → ARN. A service gets those that it names."
  type        = map(string)
  default     = {}
}

variable "boundary" {
  description = "ARN of the permission boundary."
  type        = string
}
