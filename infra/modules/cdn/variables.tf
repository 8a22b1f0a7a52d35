variable "name" {
  description = "What it is called: app and environment."
  type        = string
}

variable "host" {
  description = "Public name of the environment, which has the load balancer's certificate."
  type        = string
}
