variable "file" {
  description = "Path of shipway.yaml."
  type        = string
  default     = "../../shipway.yaml"
}

variable "protected" {
  description = "Whether the bucket of the states refuses to be deleted while anything is in it. To take it away, set this to false, apply, then destroy."
  type        = bool
  default     = true
}
