"""Moving an environment from stable to a candidate: plan, machine, records, narration."""
