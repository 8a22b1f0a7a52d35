variable "file" {
  description = "Path of shipway.yaml."
  type        = string
  default     = "../../../shipway.yaml"
}

variable "overrides" {
  description = "Settings that differ from the size's (modules/description/sizes.tf), such as { nat = \"instance\" }."
  type        = any
  default     = {}
}

variable "zones" {
  description = "Letters of the two availability zones; both must be on offer to the account."
  type        = list(string)
  default     = ["a", "b"]
}

variable "cidr" {
  description = "Addresses of the environment's own VPC, where it has one."
  type        = string
  default     = "10.23.0.0/16"
}

variable "subscribers" {
  description = "Who hears the alarms: support area (api, model, infrastructure) → e-mail and https:// addresses."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = alltrue([for area in ["api", "model", "infrastructure"] : length(lookup(var.subscribers, area, [])) > 0])
    error_message = "Nobody hears the alarms of: ${join(", ", [for area in ["api", "model", "infrastructure"] : area if length(lookup(var.subscribers, area, [])) == 0])}. Name somebody for each in environments/prod/terraform.tfvars: subscribers = { api = [\"on-call@example.com\"], … }."
  }
}

variable "protected" {
  description = "Whether database and load balancer refuse to be deleted, and the database leaves a last snapshot. To take it away, set this to false, apply, then destroy."
  type        = bool
  default     = true
}
