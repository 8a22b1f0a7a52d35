resource "aws_budgets_budget" "month" {
  for_each     = toset(length(var.budget_emails) == 0 ? [] : ["this"])
  name         = var.app
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_unit   = "USD"
  limit_amount = var.budget

  # By the tag that every resource carries. It counts once someone has made `app` a cost allocation tag in Billing.
  cost_filter {
    name   = "TagKeyValue"
    values = ["user:app$${var.app}"]
  }

  dynamic "notification" {
    for_each = { "80 spent" = ["ACTUAL", 80], "all spent" = ["ACTUAL", 100], "forecast" = ["FORECASTED", 100] }

    content {
      notification_type          = notification.value[0]
      threshold                  = notification.value[1]
      threshold_type             = "PERCENTAGE"
      comparison_operator        = "GREATER_THAN"
      subscriber_email_addresses = var.budget_emails
    }
  }
}
