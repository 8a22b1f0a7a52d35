# The three buckets of the model's life, and three of the platform's own.
module "access_logs" {
  source    = "../modules/bucket"
  name      = module.app.names.access
  expire    = { "" = 90 }
  protected = var.protected

  # Load balancers and flow logs write by services of Amazon's, which cannot use a key of ours: S3's own keys here.
  statements = [
    {
      Sid       = "LoadBalancersWrite"
      Effect    = "Allow"
      Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "arn:aws:s3:::${module.app.names.access}/load-balancer/*"
      Condition = { StringEquals = { "aws:SourceAccount" = module.app.account } }
    },
    {
      Sid       = "FlowLogsWrite"
      Effect    = "Allow"
      Principal = { Service = "delivery.logs.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "arn:aws:s3:::${module.app.names.access}/flow/*"
      Condition = { StringEquals = { "aws:SourceAccount" = module.app.account } }
    },
    {
      Sid       = "FlowLogsLook"
      Effect    = "Allow"
      Principal = { Service = "delivery.logs.amazonaws.com" }
      Action    = ["s3:GetBucketAcl", "s3:ListBucket"]
      Resource  = "arn:aws:s3:::${module.app.names.access}"
      Condition = { StringEquals = { "aws:SourceAccount" = module.app.account } }
    },
    {
      Sid       = "BucketsWriteTheirAccessLogs"
      Effect    = "Allow"
      Principal = { Service = "logging.s3.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "arn:aws:s3:::${module.app.names.access}/s3/*"
      Condition = { StringEquals = { "aws:SourceAccount" = module.app.account } }
    },
  ]
}

locals {
  buckets = merge({
    # Versions of the model and what they were trained on stay.
    models   = { name = module.app.names.models, expire = {}, old_versions = 365 }
    training = { name = module.app.names.training, expire = {}, old_versions = 365 }
    # Captures go after the 90 days that `retention.capture` says on one machine.
    monitoring = { name = module.app.names.monitoring, expire = { for name in keys(module.app.environments) : "${name}/capture/" => 90 }, old_versions = 30 }
    # Releases, their history and the audit.
    releases = { name = module.app.names.releases, expire = {}, old_versions = 365 }
    # What one action of a pipeline hands to the next.
    artifacts = { name = module.app.names.artifacts, expire = { "" = 30 }, old_versions = 7 }
    }, length(module.app.apps) == 0 ? {} : {
    # Bundles of the app that devices run stay. Only counts are replaced, every half minute, so old versions go soon.
    bundles = { name = module.app.names.bundles, expire = {}, old_versions = 7 }
  })
}

module "buckets" {
  for_each     = local.buckets
  source       = "../modules/bucket"
  name         = each.value.name
  key_arn      = module.key.arn
  access_logs  = module.app.names.access # by name: the bucket's own attributes are unknown while Terraform plans
  expire       = each.value.expire
  old_versions = each.value.old_versions
  protected    = var.protected

  depends_on = [module.access_logs]
}
