# Workflows of one repository, without a key that could leak: GitHub says who runs, AWS believes it for one hour.
locals {
  github   = toset(var.github == null ? [] : ["this"])
  provider = var.github == null ? "" : coalesce(var.github.provider_arn, "arn:aws:iam::${var.account}:oidc-provider/token.actions.githubusercontent.com")
  subjects = var.github == null ? {} : {
    # Any branch may plan, so that a pull request shows what it would change.
    plan = "repo:${var.github.repository}:*"
    # Applying takes GitHub's environment `prod`, in which GitHub asks its own reviewers.
    apply = "repo:${var.github.repository}:environment:prod"
  }
}

resource "aws_iam_openid_connect_provider" "github" {
  for_each       = toset(var.github == null || try(var.github.provider_arn, null) != null ? [] : ["this"])
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "github" {
  for_each = local.subjects
  name     = "${var.app}-github-${each.key}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TheRepositorysWorkflows"
      Effect    = "Allow"
      Principal = { Federated = local.provider }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com" }
        StringLike   = { "token.actions.githubusercontent.com:sub" = each.value }
      }
    }]
  })

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy_attachment" "github_reads" {
  for_each   = local.github
  role       = aws_iam_role.github["plan"].name
  policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
}

# ReadOnlyAccess may read every object of the account: of those the state is enough.
resource "aws_iam_role_policy" "github_plan" {
  for_each = local.github
  name     = "plan"
  role     = aws_iam_role.github["plan"].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid         = "NoObjectButState"
        Effect      = "Deny"
        Action      = "s3:GetObject"
        NotResource = "arn:aws:s3:::${var.buckets.state}/*"
      },
      {
        Sid      = "NoSecret"
        Effect   = "Deny"
        Action   = "secretsmanager:GetSecretValue"
        Resource = "*"
      },
      {
        Sid      = "LockTheState"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:DeleteObject"]
        Resource = "arn:aws:s3:::${var.buckets.state}/*.tflock"
      },
      {
        Sid       = "DecryptTheState"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "arn:aws:kms:${local.arn}:key/*"
        Condition = { StringEquals = { "kms:ResourceAliases" = "alias/${var.app}-terraform-state" } }
      },
    ]
  })
}

resource "aws_iam_role_policy" "github_apply" {
  for_each = local.github
  name     = "terraform"
  role     = aws_iam_role.github["apply"].name
  policy   = jsonencode({ Version = "2012-10-17", Statement = local.terraforms })
}
