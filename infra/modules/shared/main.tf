# What environments/shared-nonprod made, found by its name: the environments that share it need not read its state.
data "aws_vpc" "this" {
  tags = { Name = var.name }
}

data "aws_subnets" "private" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }

  tags = { Tier = "private" }
}

data "aws_lb" "this" {
  name = var.name
}

data "aws_lb_listener" "https" {
  load_balancer_arn = data.aws_lb.this.arn
  port              = 443
}
