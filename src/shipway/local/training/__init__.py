"""Trainings on one machine: their data, and their steps as processes under SageMaker's contracts."""
