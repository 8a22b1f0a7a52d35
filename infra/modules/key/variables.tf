variable "name" {
  description = "Alias of the key, without `alias/`."
  type        = string
}

variable "description" {
  description = "What the key protects."
  type        = string
}

variable "account" {
  description = "The AWS account. Its own policies decide who of it uses the key."
  type        = string
}

variable "services" {
  description = "AWS services that use the key by themselves, such as logs.us-east-1.amazonaws.com; for this account's resources only."
  type        = list(string)
  default     = []
}
