"""Whether an app that is out on devices can still talk to an API: rules only."""
