"""Every alarm that Terraform makes has an entry in the runbook, and every entry an alarm."""

from __future__ import annotations

import re

from .conftest import INFRA, World

PAGE = INFRA.parent / "docs" / "aws" / "runbook.md"
EVENTS = {"pipeline"}
"""Entries that an event leads to, without an alarm."""


def test_each_alarm_names_its_entry(world: World) -> None:
    """In its description, which is what the person who is woken reads."""
    entries = set(re.findall(r"^## Alarm: (.+)$", PAGE.read_text(), re.MULTILINE))
    alarms = {alarm["alarm_name"]: alarm["alarm_description"] for alarm in world.values("aws_cloudwatch_metric_alarm")}
    assert len(alarms) > 4 * len(world.app.environments)
    named = {name: re.search(r"Runbook: ([^.]+)\.$", description) for name, description in alarms.items()}
    assert [] == [name for name, found in named.items() if found is None or found[1] not in entries]
    assert entries - EVENTS == {found[1] for found in named.values() if found}


def test_each_alarm_tells_somebody(world: World) -> None:
    """When it begins and when it is over."""
    for alarm in world.values("aws_cloudwatch_metric_alarm"):
        assert 1 == len(alarm["alarm_actions"]), alarm["alarm_name"]
        assert alarm["alarm_actions"] == alarm["ok_actions"], alarm["alarm_name"]
