variable "file" {
  description = "Path of shipway.yaml."
  type        = string
  default     = "../../shipway.yaml"
}

variable "subscribers" {
  description = "Who hears of failed pipelines and of questions that wait: e-mail and https:// addresses."
  type        = list(string)
  default     = []
}

variable "people" {
  description = "Who may take which role: deployer, approver, model-owner, infra → ARNs."
  type        = map(list(string))
  default     = {}
}

variable "github" {
  description = "The repository whose GitHub workflows may plan and apply; null for none."
  type        = object({ repository = string, provider_arn = optional(string) })
  default     = null
}

variable "budget_emails" {
  description = "Who is told when the month becomes dear."
  type        = list(string)
  default     = []
}

variable "shipway" {
  description = "What pip installs for the release and rollout actions: a requirement, or .[aws] for the source's own folder."
  type        = string
  default     = ".[aws]"
}

variable "protected" {
  description = "Whether buckets and image repositories refuse to be deleted while anything is in them. To take it away, set this to false, apply, then destroy."
  type        = bool
  default     = true
}
