variable "file" {
  description = "Path of the app's shipway.yaml."
  type        = string
}

variable "tier" {
  description = "Which column of the sizes applies: dev, stage or prod."
  type        = string
  default     = "dev"

  validation {
    condition     = contains(["dev", "stage", "prod"], var.tier)
    error_message = "tier is dev, stage or prod: it chooses a column of sizes.tf."
  }
}

variable "environment" {
  description = "The environment of shipway.yaml whose services are wanted; null where no environment is meant."
  type        = string
  default     = null
}

variable "overrides" {
  description = "Settings that differ from the size's; the keys are those of sizes.tf."
  type = object({
    shared_network   = optional(bool)
    nat              = optional(string)
    nat_per_zone     = optional(bool)
    endpoints        = optional(list(string))
    architecture     = optional(string)
    spot             = optional(bool)
    office_hours     = optional(bool)
    cpu              = optional(number)
    memory           = optional(number)
    database_class   = optional(string)
    database_storage = optional(number)
    multi_az         = optional(bool)
    backup_days      = optional(number)
    waf_groups       = optional(list(string))
    bundles_cdn      = optional(bool)
    log_days         = optional(number)
    budget           = optional(number)
  })
  default = {}
}
