variable "name" {
  description = "Name of the VPC; its parts are found by it."
  type        = string
}

variable "cidr" {
  description = "Addresses of the VPC, a /16 to /20. Networks that are peered must not overlap."
  type        = string

  validation {
    condition     = can(cidrsubnet(var.cidr, 8, 255))
    error_message = "cidr is a private network such as 10.20.0.0/16."
  }
}

variable "zones" {
  description = "The two availability zones."
  type        = list(string)

  validation {
    condition     = length(distinct(var.zones)) == 2
    error_message = "Two different zones are needed, such as us-east-1a and us-east-1b."
  }
}

variable "region" {
  description = "The region."
  type        = string
}

variable "nat" {
  description = "The way out of private subnets: gateway, instance (cheaper, one machine that can fail), or none (interface endpoints only)."
  type        = string
  default     = "gateway"

  validation {
    condition     = contains(["gateway", "instance", "none"], var.nat)
    error_message = "nat is gateway, instance or none."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone instead of one for both."
  type        = bool
  default     = false
}

variable "endpoints" {
  description = "Interface endpoints, by the last part of their names (ecr.api, logs, …). Without a NAT they must be complete."
  type        = list(string)
  default     = []
}

variable "log_bucket_arn" {
  description = "Bucket of the flow logs."
  type        = string
}

variable "peers" {
  description = "VPCs of the same account and region to peer with: name → its ID and addresses."
  type        = map(object({ vpc_id = string, cidr = string }))
  default     = {}
}
