variable "name" {
  description = "The environment's name in shipway.yaml."
  type        = string
}

variable "app" {
  description = "All outputs of modules/description, read for this environment."
  type        = any
}

variable "network" {
  description = "Where it lives: its own VPC and load balancer, or shared ones."
  type = object({
    vpc_id              = string
    private_subnets     = list(string)
    load_balancer       = string
    load_balancer_group = string
    listener_arn        = string
  })
}

variable "subscribers" {
  description = "Who hears the alarms: support area (api, model, infrastructure) → e-mail and https:// addresses."
  type        = map(list(string))
  default     = {}
}

variable "protected" {
  description = "Whether the database refuses to be deleted, and leaves a last snapshot: where clients depend on it."
  type        = bool
  default     = false
}

variable "seed" {
  description = "Snapshot that the database starts from, and the command that masks it; null starts empty."
  type        = object({ snapshot = string, masking_command = string })
  default     = null
}

variable "rules_from" {
  description = "Priority of the first rule on the load balancer."
  type        = number
  default     = 100
}

variable "office_hours" {
  description = "When tasks run, where the size says that they need not at night."
  type        = object({ time_zone = string, begin = string, end = string })
  default     = { time_zone = "Etc/UTC", begin = "cron(0 7 ? * MON-FRI *)", end = "cron(0 19 ? * MON-FRI *)" }
}
