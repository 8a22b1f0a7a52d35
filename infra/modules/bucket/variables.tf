variable "name" {
  description = "Name of the bucket, unique on all of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.name))
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and dashes: shorten the app's name."
  }
}

variable "key_arn" {
  description = "KMS key of its objects; null for S3's own keys, which the logs of load balancers need."
  type        = string
  default     = null
}

variable "access_logs" {
  description = "Bucket that keeps who read and wrote what; null keeps no such log."
  type        = string
  default     = null
}

variable "expire" {
  description = "Days after which objects below a prefix go: prefix → days. What is not named stays."
  type        = map(number)
  default     = {}
}

variable "old_versions" {
  description = "Days that a replaced or deleted object can still be brought back."
  type        = number
  default     = 90

  validation {
    condition     = var.old_versions >= 1
    error_message = "old_versions is at least 1 day: a bucket without it cannot take a deletion back."
  }
}

variable "statements" {
  description = "Further statements of the bucket's policy, as objects."
  type        = any
  default     = []
}

variable "protected" {
  description = "Whether it refuses to be deleted while anything is in it."
  type        = bool
  default     = true
}
