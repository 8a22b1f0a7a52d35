variable "file" {
  description = "Path of shipway.yaml."
  type        = string
  default     = "../../shipway.yaml"
}
