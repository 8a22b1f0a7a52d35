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
  default     = "10.22.0.0/16"
}

variable "subscribers" {
  description = "Who hears the alarms: support area (api, model, infrastructure) → e-mail and https:// addresses."
  type        = map(list(string))
  default     = {}
}

variable "seed" {
  description = "Snapshot of production's database to start from, and the command that masks it; null starts empty."
  type        = object({ snapshot = string, masking_command = string })
  default     = null
}
