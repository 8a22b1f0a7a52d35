variable "app" {
  description = "The app's name."
  type        = string
}

variable "account" {
  description = "The AWS account."
  type        = string
}

variable "region" {
  description = "The region; nothing of the app may be made elsewhere."
  type        = string
}

variable "environments" {
  description = "The environments: whether people approve what enters, and the pipelines that lead there."
  type = map(object({
    approval  = bool
    pipelines = list(string)
  }))
}

variable "buckets" {
  description = "Names of the buckets of models, releases and Terraform's state, and of app bundles where there is such an app."
  type        = object({ models = string, releases = string, state = string, bundles = optional(string) })
}

variable "app_key_arn" {
  description = "Key of the app's buckets."
  type        = string
}

variable "people" {
  description = "Who may take a role: deployer, approver, model-owner or infra → ARNs of roles or users, as single sign-on makes them. A role that nobody is named for is not made."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.people), ["deployer", "approver", "model-owner", "infra"])) == 0
    error_message = "The roles of people are deployer, approver, model-owner and infra."
  }
  validation {
    condition     = alltrue([for arn in flatten(values(var.people)) : can(regex("^arn:aws:(iam|sts)::[0-9]{12}:(role|user|assumed-role)/[^*]+$", arn))])
    error_message = "Whoever may take a role is named by ARN, one by one: arn:aws:iam::123456789012:role/… (no *)."
  }
}

variable "github" {
  description = "The repository (owner/name) whose workflows may plan, and apply from its environment `prod`; null for none. `provider_arn`: the account's OIDC provider, if it has one already."
  type        = object({ repository = string, provider_arn = optional(string) })
  default     = null

  validation {
    condition     = var.github == null || can(regex("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", var.github.repository))
    error_message = "github.repository is owner/name, without *."
  }
}

variable "budget" {
  description = "Dollars a month at which people are told, by 80 and 100 %, and when the forecast passes it."
  type        = number
}

variable "budget_emails" {
  description = "Who is told; nobody: no budget."
  type        = list(string)
  default     = []
}
