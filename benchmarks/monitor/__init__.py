"""How fast the model monitor is, beside Evidently, and whether its memory grows; how often it alarms for nothing."""
