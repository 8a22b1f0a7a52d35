"""Moving an environment from stable to a candidate: plan, machine, records, what is told of it."""
