variable "app" {
  description = "The app's name."
  type        = string
}

variable "environment" {
  description = "The environment's name."
  type        = string
}

variable "account" {
  description = "The AWS account."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "load_balancer_group" {
  description = "Security group of the load balancer."
  type        = string
}

variable "services" {
  description = "The services: what reaches them (routes, uses) and whether they have the database."
  type = map(object({
    routes   = list(string)
    uses     = list(string)
    database = optional(string)
  }))
}

variable "port" {
  description = "Port on which every task listens; each has an address of its own."
  type        = number
  default     = 8080
}

variable "boundary" {
  description = "ARN of the permission boundary."
  type        = string
}

variable "subscribers" {
  description = "Who is told: support area (api, model, infrastructure) → e-mail addresses and https:// addresses, as PagerDuty and Opsgenie give them."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.subscribers), ["api", "model", "infrastructure"])) == 0
    error_message = "The support areas of an environment are api, model and infrastructure; that of the pipeline stands in infra/app."
  }
  validation {
    condition     = alltrue([for who in flatten(values(var.subscribers)) : can(regex("^https://|^[^@ ]+@[^@ ]+$", who))])
    error_message = "A subscriber is an e-mail address or an https:// address."
  }
}
