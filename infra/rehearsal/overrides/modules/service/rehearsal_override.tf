# No emulator finishes an application autoscaling target: the provider asks for its tags until it gives up.
resource "aws_appautoscaling_target" "always" {
  for_each = {}
}

resource "aws_appautoscaling_target" "scheduled" {
  for_each = {}
}

resource "aws_appautoscaling_policy" "load" {
  for_each = {}
}

resource "aws_appautoscaling_scheduled_action" "hours" {
  for_each = {}
}
