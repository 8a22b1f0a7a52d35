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

variable "private_subnets" {
  description = "Two private subnets."
  type        = list(string)
}

variable "security_group" {
  description = "The database's security group; who may reach it is said in modules/cluster."
  type        = string
}

variable "key_arn" {
  description = "The environment's key."
  type        = string
}

variable "boundary" {
  description = "ARN of the permission boundary."
  type        = string
}

variable "database" {
  description = "Class (db.t4g.micro), GiB, a standby in the other zone, days of backups; null where no service has a database."
  type = object({
    class       = string
    storage     = number
    multi_az    = bool
    backup_days = number
  })

  validation {
    condition     = var.database == null || try(var.database.backup_days >= 1, false)
    error_message = "backup_days is at least 1: without backups a dropped table is gone."
  }
}

variable "protected" {
  description = "Whether the database refuses to be deleted, and leaves a last snapshot."
  type        = bool
  default     = false
}

variable "seed" {
  description = "Start from a snapshot of another environment's database, and the command that masks what is personal in it (run by the one-off task before anything else reads the database). Null: start empty."
  type        = object({ snapshot = string, masking_command = string })
  default     = null

  validation {
    condition     = var.seed == null || try(trimspace(var.seed.masking_command) != "", false)
    error_message = "A copy of real data needs a masking_command; `true` says that nothing in it is personal."
  }
}

variable "bundles" {
  description = "Whether there is an app that devices run, and so a parameter that says which bundles they are offered."
  type        = bool
  default     = false
}

variable "secrets" {
  description = "Names of the services' secrets. Terraform makes the places, `shipway secrets set` the values."
  type        = set(string)
  default     = []
}

variable "topic" {
  description = "Topic of the support area infrastructure."
  type        = string
}
