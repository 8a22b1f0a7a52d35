variable "name" {
  description = "Name of the load balancer, 32 letters at most; shared-nonprod's is found by it."
  type        = string

  validation {
    condition     = length(var.name) <= 32
    error_message = "A load balancer's name has 32 letters at most: shorten the app's name."
  }
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "public_subnets" {
  description = "Two public subnets."
  type        = list(string)
}

variable "hosts" {
  description = "Public names that the certificate covers; the first is its own."
  type        = list(string)
}

variable "zone" {
  description = "Route 53 hosted zone of the names. Null: someone else writes the records that the output `records` lists."
  type        = string
  default     = null
}

variable "certificate_arn" {
  description = "A certificate that is there already, instead of one made here."
  type        = string
  default     = null
}

variable "idle_timeout" {
  description = "Seconds that an answer may take, or fall silent; the longest of the services' answer_timeout."
  type        = number
  default     = 60
}

variable "waf_groups" {
  description = "AWS's managed rule groups, in the order in which they are asked. Empty: no WAF."
  type        = list(string)
  default     = []
}

variable "rate_limit" {
  description = "Requests that one address may send in five minutes, where there is a WAF."
  type        = number
  default     = 2000

  validation {
    condition     = var.rate_limit >= 10
    error_message = "AWS counts from 10 requests in five minutes on."
  }
}

variable "log_bucket" {
  description = "Bucket of the access logs."
  type        = string
}

variable "protected" {
  description = "Whether the load balancer refuses to be deleted."
  type        = bool
  default     = false
}
