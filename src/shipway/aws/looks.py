"""The clock of bundles on AWS: a schedule that starts a look every few minutes, on only while a bundle is on its way."""

from __future__ import annotations

from shipway.aws.calls import Calls
from shipway.aws.names import Names


class Looks:
    """The schedules of the environments; Terraform makes them, and does not watch whether they are on."""

    def __init__(self, calls: Calls, names: Names) -> None:
        self._calls, self._names = calls, names

    def turn_on(self, environment: str) -> None:
        """Look from now on; fine where that is so already."""
        self._calls.call("events", "enable_rule", Name=self._names.looks_project(environment))

    def turn_off(self, environment: str) -> None:
        """Look no more until a bundle is on its way again."""
        self._calls.call("events", "disable_rule", Name=self._names.looks_project(environment))
