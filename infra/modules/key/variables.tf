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

variable "logs_region" {
  description = "Region whose log groups of this account are encrypted with it; null for none."
  type        = string
  default     = null
}

variable "publishers" {
  description = "AWS services that publish to topics encrypted with it, such as cloudwatch.amazonaws.com. The topics' own policies say which account's."
  type        = list(string)
  default     = []
}
