locals {
  name = "${var.app}-${var.environment}"
  made = toset(var.database == null ? [] : ["this"])
}

resource "aws_db_subnet_group" "this" {
  for_each   = local.made
  name       = local.name
  subnet_ids = var.private_subnets
}

resource "aws_db_parameter_group" "this" {
  for_each    = local.made
  name_prefix = "${local.name}-"
  family      = "postgres17"
  description = "TLS only; slow statements are logged"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "this" {
  for_each       = local.made
  identifier     = local.name
  engine         = "postgres"
  engine_version = "17"
  instance_class = var.database.class
  db_name        = var.seed == null ? replace(var.app, "-", "_") : null

  storage_type          = "gp3"
  allocated_storage     = var.database.storage
  max_allocated_storage = var.database.storage * 5
  storage_encrypted     = true
  kms_key_id            = var.key_arn

  # RDS makes the master's password, keeps it in Secrets Manager and changes it every week. Nobody reads it but the
  # one-off task that makes the application's user.
  username                            = "master"
  manage_master_user_password         = true
  master_user_secret_kms_key_id       = var.key_arn
  iam_database_authentication_enabled = false

  db_subnet_group_name   = aws_db_subnet_group.this[each.key].name
  vpc_security_group_ids = [var.security_group]
  publicly_accessible    = false
  parameter_group_name   = aws_db_parameter_group.this[each.key].name
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  multi_az                  = var.database.multi_az
  backup_retention_period   = var.database.backup_days
  backup_window             = "03:00-04:00"
  maintenance_window        = "sun:04:30-sun:05:30"
  copy_tags_to_snapshot     = true
  deletion_protection       = var.protected
  skip_final_snapshot       = !var.protected
  final_snapshot_identifier = var.protected ? "${local.name}-last" : null
  snapshot_identifier       = try(var.seed.snapshot, null)

  auto_minor_version_upgrade      = true
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
  performance_insights_enabled    = false

  lifecycle {
    # Read once, when the database is made: another name later must not replace it.
    ignore_changes = [snapshot_identifier]
  }
}

# RDS would make these by itself, and keep them for ever.
resource "aws_cloudwatch_log_group" "database" {
  for_each          = toset(var.database == null ? [] : ["postgresql", "upgrade"])
  name              = "/aws/rds/instance/${local.name}/${each.key}"
  retention_in_days = 30
  kms_key_id        = var.key_arn
}
