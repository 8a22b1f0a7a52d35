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
  description = "Addresses of the VPC."
  type        = string
  default     = "10.20.0.0/16"
}
