variable "app" {
  description = "The app's name."
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

variable "source_code" {
  description = "Where commits come from. codecommit: CodeCommit, else by the connection whose ARN is given. repository: that of shipway.yaml, owner/name (CodeCommit: name). repositories: services that have one of their own."
  type = object({
    codecommit   = bool
    connection   = optional(string)
    repository   = string
    repositories = optional(map(string), {})
  })

  validation {
    condition     = var.source_code.codecommit || try(startswith(var.source_code.connection, "arn:aws:codeconnections:"), false)
    error_message = "source_code.connection is the ARN of a connection (arn:aws:codeconnections:…), unless commits come from CodeCommit."
  }
}

variable "services" {
  description = "The services: folder and what it includes, and whether something runs before the traffic (migrations)."
  type        = map(object({ path = string, include = optional(list(string), []), migrates = bool, database = optional(string) }))
}

variable "apps" {
  description = "The app that devices run, at most one: its folder, whose buildspec.yml builds the bundle."
  type        = map(object({ path = string }))
  default     = {}
}

variable "environments" {
  description = "The environments: branch, the environments that a commit passes, and who is asked before it enters."
  type = map(object({
    branch          = string
    path            = list(string)
    approval        = bool
    expires_minutes = number
  }))
}

variable "buckets" {
  description = "Names of the buckets of artifacts, releases and models, and of app bundles where there is such an app."
  type        = object({ artifacts = string, releases = string, models = string, bundles = optional(string) })
}

variable "key_arn" {
  description = "Key of the buckets, logs and topics."
  type        = string
}

variable "boundary" {
  description = "ARN of the permission boundary."
  type        = string
}

variable "architecture" {
  description = "ARM64 or X86_64: images are built on machines of the kind that runs them."
  type        = string
  default     = "ARM64"
}

variable "shipway" {
  description = "What pip installs for the release and rollout actions: a requirement, or .[aws] for the source's own folder."
  type        = string
  default     = ".[aws]"
}

variable "log_days" {
  description = "Days that logs of builds are kept."
  type        = number
  default     = 14
}

variable "subscribers" {
  description = "Who hears of failed pipelines and of questions: e-mail and https:// addresses."
  type        = list(string)
  default     = []
}

variable "protected" {
  description = "Whether repositories refuse to be deleted while images lie in them."
  type        = bool
  default     = true
}
