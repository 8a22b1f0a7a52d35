# Three sizes. What each costs: make infra-cost. Any setting can be overridden in an environment's own variables.
locals {
  # Managed rule groups in the order in which they are asked.
  basic_waf = ["AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"]
  more_waf  = concat(local.basic_waf, ["AWSManagedRulesSQLiRuleSet", "AWSManagedRulesLinuxRuleSet"])

  # What tasks in private subnets need where no NAT leads out.
  complete = ["ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssm", "sagemaker.runtime"]

  small = {
    shared_network   = true      # dev and stage share a VPC, its NAT and its load balancer, told apart by host names
    nat              = "gateway" # gateway, instance (a t4g.nano: $30 a month less, one machine that can fail), or none
    nat_per_zone     = false     # one NAT in each zone: a zone that fails takes only its own way out with it
    endpoints        = []        # interface endpoints, $7.30 a month in each zone; those for S3 are always there
    architecture     = "ARM64"   # ARM64 or X86_64
    spot             = true      # tasks on Fargate Spot: a third of the price, stopped at two minutes' notice
    office_hours     = true      # no tasks at night and at weekends
    cpu              = 256       # units of a task, 1024 to a vCPU, where shipway.yaml says nothing
    memory           = 512       # MiB of a task, where shipway.yaml says nothing
    database_class   = "db.t4g.micro"
    database_storage = 20 # GiB
    multi_az         = false
    backup_days      = 1
    waf_groups       = []    # managed rule groups; with any there is a rate limit, with none there is no WAF
    bundles_cdn      = false # CloudFront in front of app bundles: for devices far from the region, or many of them
    log_days         = 14
    budget           = 150 # dollars a month for the whole tier, at which people are told
  }
  safe = {
    shared_network = false, spot = false, office_hours = false, multi_az = true, backup_days = 14, log_days = 90
  }

  sizes = {
    minimal = {
      dev   = local.small
      stage = local.small
      prod  = merge(local.small, local.safe, { waf_groups = local.basic_waf, log_days = 30, budget = 250 })
    }
    recommended = {
      dev   = merge(local.small, { shared_network = false, office_hours = false })
      stage = merge(local.small, { shared_network = false, office_hours = false, waf_groups = local.basic_waf })
      prod = merge(local.small, local.safe, {
        nat_per_zone = true, cpu = 512, memory = 1024, database_class = "db.t4g.small", database_storage = 50
        waf_groups   = local.more_waf, budget = 500
      })
    }
    highly-available = {
      dev = merge(local.small, {
        shared_network   = false, office_hours = false, nat_per_zone = true, endpoints = local.complete
        architecture     = "X86_64", spot = false, cpu = 512, memory = 1024, database_class = "db.t4g.small"
        database_storage = 50, waf_groups = local.basic_waf, budget = 400
      })
      stage = merge(local.small, local.safe, {
        nat_per_zone   = true, endpoints = local.complete, architecture = "X86_64", cpu = 512, memory = 1024
        database_class = "db.t4g.small", database_storage = 50, waf_groups = local.basic_waf, budget = 500
      })
      prod = merge(local.small, local.safe, {
        nat_per_zone   = true, endpoints = local.complete, architecture = "X86_64", cpu = 1024, memory = 2048
        database_class = "db.t4g.medium", database_storage = 100, waf_groups = local.more_waf, budget = 1200
      })
    }
  }
}
