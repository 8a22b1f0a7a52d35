"""Watches a model by what was captured of its traffic: SageMaker Model Monitor's files, made here."""
