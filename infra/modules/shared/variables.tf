variable "name" {
  description = "Name of the VPC and load balancer that shared-nonprod made."
  type        = string
}
