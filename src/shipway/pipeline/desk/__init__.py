"""The desk over this pipeline: what people ask, checked by roles and rules, and answered from the records."""
