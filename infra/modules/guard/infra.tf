# Terraform's own role. It makes roles only below the app's name and only with the boundary, so that it cannot make
# itself a way around it.
locals {
  terraforms = [
    {
      Sid    = "MakeWhatTheAppIsMadeOf"
      Effect = "Allow"
      Action = [
        "acm:*", "application-autoscaling:*", "budgets:*", "cloudfront:*", "cloudwatch:*", "codebuild:*", "codeconnections:*",
        "codepipeline:*", "ec2:*", "ecr:*", "ecs:*", "elasticloadbalancing:*", "events:*",
        "kms:*", "logs:*", "rds:*", "route53:*", "s3:*", "servicediscovery:*", "sns:*", "wafv2:*",
      ]
      Resource = "*"
    },
    {
      # Places for secrets, never their values.
      Sid    = "MakePlacesForSecrets"
      Effect = "Allow"
      Action = [
        "secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", "secretsmanager:DescribeSecret",
        "secretsmanager:GetResourcePolicy", "secretsmanager:TagResource", "secretsmanager:UntagResource",
        "secretsmanager:UpdateSecret",
      ]
      Resource = "arn:aws:secretsmanager:${local.arn}:secret:/${var.app}/*"
    },
    {
      Sid      = "MakeParameters"
      Effect   = "Allow"
      Action   = ["ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:GetParameter", "ssm:GetParameters", "ssm:ListTagsForResource", "ssm:PutParameter", "ssm:RemoveTagsFromResource"]
      Resource = "arn:aws:ssm:${local.arn}:parameter/${var.app}/*"
    },
    {
      Sid      = "FindParameters"
      Effect   = "Allow"
      Action   = "ssm:DescribeParameters"
      Resource = "*"
    },
    {
      Sid      = "FindTheNatImage"
      Effect   = "Allow"
      Action   = "ssm:GetParameter"
      Resource = "arn:aws:ssm:${var.region}::parameter/aws/service/ami-amazon-linux-latest/*"
    },
    {
      Sid       = "MakeBoundedRoles"
      Effect    = "Allow"
      Action    = ["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy", "iam:DeleteRolePolicy"]
      Resource  = "arn:aws:iam::${var.account}:role/${var.app}-*"
      Condition = { StringEquals = { "iam:PermissionsBoundary" = aws_iam_policy.boundary.arn } }
    },
    {
      Sid    = "LookAfterRoles"
      Effect = "Allow"
      Action = [
        "iam:DeleteRole", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole",
        "iam:ListRolePolicies", "iam:PassRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy",
      ]
      Resource = "arn:aws:iam::${var.account}:role/${var.app}-*"
    },
    {
      Sid      = "ReadTheBoundary"
      Effect   = "Allow"
      Action   = ["iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions"]
      Resource = aws_iam_policy.boundary.arn
    },
    {
      Sid      = "ServiceLinkedRoles"
      Effect   = "Allow"
      Action   = "iam:CreateServiceLinkedRole"
      Resource = "arn:aws:iam::${var.account}:role/aws-service-role/*"
    },
  ]
}

resource "aws_iam_role_policy" "infra" {
  for_each = { for name, role in local.roles : name => role if role == "infra" }
  name     = "terraform"
  role     = aws_iam_role.person[each.key].name
  policy   = jsonencode({ Version = "2012-10-17", Statement = local.terraforms })
}
