"""The AWS target: a narrow façade a service, the rollout told in one file, and the desk over them."""
