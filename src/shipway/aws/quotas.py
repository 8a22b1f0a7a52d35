"""Service Quotas: how much Fargate an account may use, and how much an app may come to need."""

from __future__ import annotations

from shipway.aws.calls import AwsError, Calls
from shipway.core.description.app import App

ON_DEMAND, SPOT = "L-3032A538", "L-36FBB829"
"""AWS's codes of the quotas on vCPUs of tasks that run at the same time."""
_SIZES = {"minimal": {"": 0.25}, "recommended": {"": 0.25, "prod": 0.5}, "highly-available": {"": 0.5, "prod": 1.0}}
"""vCPUs of a task where shipway.yaml says nothing, as infra/modules/description/sizes.tf has them."""


class Quotas:
    """The quotas of one account in one region."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def fargate(self, code: str) -> float:
        """vCPUs: the account's own quota, or AWS's default where it never had one. Raises ShipwayError."""
        asked = {"ServiceCode": "fargate", "QuotaCode": code}
        try:
            answer = self._calls.call("service-quotas", "get_service_quota", **asked)
        except AwsError as error:
            if error.code != "NoSuchResourceException":
                raise
            answer = self._calls.call("service-quotas", "get_aws_default_service_quota", **asked)
        return float(answer["Quota"]["Value"])


def needed(app: App) -> float:
    """VCPUs of everything at its largest, and of the largest rollout beside it, which starts a whole second side."""
    sides = [
        environment.tasks.max * sum(vcpus(app, name, service) for service in app.services)
        for name, environment in app.environments.items()
    ]
    return sum(sides) + max(sides)


def vcpus(app: App, environment: str, service: str) -> float:
    """Of one task there: the environment's word, else the service's, else the size's."""
    chosen = app.environments[environment].resources.get(service)
    if chosen is not None:
        return chosen.cpu
    said = app.services[service].cpu
    sizes = _SIZES[app.aws.size if app.aws is not None else "minimal"]
    return said if said is not None else sizes.get(environment, sizes[""])
