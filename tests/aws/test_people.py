"""The roles of people in infra/modules/guard may make the calls that their commands make."""

from __future__ import annotations

import re
from pathlib import Path

from tests.aws.calls_of_verbs import recorded

PEOPLE = (Path(__file__).parents[2] / "infra" / "modules" / "guard" / "people.tf").read_text()
GRANTED = set(re.findall(r'"([a-z0-9-]+:[A-Za-z]+)"', PEOPLE))
PREFIXES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}
OTHER_NAMES = {"s3:ListObjectsV2": "s3:ListBucket", "s3:HeadBucket": "s3:ListBucket", "s3:HeadObject": "s3:GetObject"}
UNGRANTED = {"doctor"}
"""Says of what it may not look at that it may not."""


def test_every_call_of_a_command_is_granted() -> None:
    """By IAM's names for the calls."""
    called = {
        (command, _action(call)) for command, calls in recorded().items() if command not in UNGRANTED for call in calls
    }
    assert set() == {(command, action) for command, action in called if action not in GRANTED}


def _action(call: str) -> str:
    service, _, operation = call.partition(":")
    action = f"{PREFIXES.get(service, service)}:{operation}"
    return OTHER_NAMES.get(action, action)
