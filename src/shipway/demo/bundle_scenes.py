"""What the story shows of bundles: out to every device, back from those that met a bad one, back with a release."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from shipway.core.contract.cohorts import is_within
from shipway.core.description.device_app import DeviceApp
from shipway.core.errors import ShipwayError
from shipway.demo.device import over_http
from shipway.demo.fleet import Fleet
from shipway.demo.promises import check_taken_back
from shipway.demo.report import Screen, StepResult
from shipway.demo.sandbox import Stage
from shipway.demo.story import FleetPolicy, StoryStep

_PATIENCE = 90.0
_OPENED_BETWEEN = 10
"""Apps that are opened between two looks at what is offered."""
Release = Mapping[str, Any]


class BundleScenes:
    """The devices of one environment, and the bundles of its releases, one after the other."""

    def __init__(self, stage: Stage, environment: str, policy: FleetPolicy, screen: Screen, step: str) -> None:
        self._stage, self._environment, self._screen = stage, environment, screen
        self._app = _device_app(stage)
        native = json.loads((stage.app / self._app.path / self._app.native).read_bytes())
        shell = str(native["version"]), str(native["build"])
        send = over_http(stage.url(environment))
        self.fleet = Fleet(send, policy, stage.public_keys[environment], shell, step)
        self._going_out: tuple[str, float] | None = None
        self._newest = ""

    def begin(self, release: Release, *, waits: bool) -> None:
        """A release serves, and its bundle begins. `waits`: the next scene waits until every device runs it.

        Raises ShipwayError where it comes before one that was to be waited for.
        """
        if self._going_out is not None and self._going_out[0] != release["app_version"]:
            raise ShipwayError(
                f"bundle {release['app_version']} came before every device ran {self._going_out[0]}",
                fix="say `bundle` of the step that brings it, which then waits",
            )
        self._newest = release["app_version"]
        if waits:
            self._going_out = self._newest, time.monotonic()

    def see_out(self) -> None:
        """Wait until every device runs the bundle that went out meanwhile."""
        if self._going_out is None:
            return
        (version, began), self._going_out = self._going_out, None
        self._all_run(version)
        reach, share = self.fleet.reach(version), self._app.rollout.steps[0]
        first = len(list(takewhile(lambda device: is_within(device, share), reach.ran)))
        self._screen.say(
            f"  ✔ bundle {version} went out: {first} devices of the first {share:g} % ran it before any other, and all "
            f"{len(self.fleet.devices)} did {reach.last_run - began:.0f} s after its release"
        )

    def see_back(self, step: StoryStep, result: StepResult) -> list[str]:
        """Wait until the newest bundle was taken back and no device that calls has it; the promises that broke."""
        version, fleet = self._newest, self.fleet
        fleet.wait_for(
            f"a device that bundle {version} fails on", lambda: bool(fleet.reach(version).first_failed), _PATIENCE
        )
        deadline = time.monotonic() + _PATIENCE
        while (reason := self._taken_back(version)) is None:
            if time.monotonic() > deadline:
                raise ShipwayError(f"bundle {version} was not taken back within {_PATIENCE:g} s")
            more = fleet.opened + _OPENED_BETWEEN
            fleet.wait_for("devices that call", lambda more=more: fleet.opened >= more, _PATIENCE)  # type: ignore[misc]
        taken_back = time.monotonic()
        fleet.wait_for("every device's call", lambda: fleet.is_settled(taken_back), _PATIENCE)
        reach, share = fleet.reach(version), self._app.rollout.steps[0]
        assert reach.first_failed is not None
        result.bundle_seconds = max(0.0, reach.last_offered - reach.first_failed)
        self._screen.say(
            f"  ✘ {reason}",
            f"  ✔ {len(reach.ran)} of {len(fleet.devices)} devices met it; it was offered for {result.bundle_seconds:.1f} s "
            f"after the first of them failed, and {fleet.running(version)} have it now",
        )
        return check_taken_back(step, reach.ran, share, fleet.running(version))

    def see_on_its_way(self) -> None:
        """Wait until every device of the first share runs the newest bundle."""
        fleet, version, share = self.fleet, self._newest, self._app.rollout.steps[0]
        first = sum(is_within(device.id, share) for device in fleet.devices)
        fleet.wait_for(f"bundle {version} on its way", lambda: fleet.running(version) >= first, _PATIENCE)
        self._screen.say(f"  bundle {version} is on its way: {fleet.running(version)} devices run it")

    def see_back_with(self, release: Release) -> None:
        """Wait until every device runs the bundle of the release that came back."""
        began, version = time.monotonic(), release["app_version"]
        self._all_run(version)
        seconds = time.monotonic() - began
        self._screen.say(
            f"  ✔ all {len(self.fleet.devices)} devices run {version} again, the bundle of {release['id']}, {seconds:.0f} s later"
        )

    def _all_run(self, version: str) -> None:
        fleet = self.fleet
        fleet.wait_for(
            f"bundle {version} on every device", lambda: fleet.running(version) == len(fleet.devices), _PATIENCE
        )

    def _taken_back(self, version: str) -> str | None:
        """Why it was, if it was."""
        shown = self._stage.shipway("app", "show", "--env", self._environment).answer()
        return next(
            (f"took it back: {one['reason']}" for one in shown["taken_back"] if one["version"] == version), None
        )


def _device_app(stage: Stage) -> DeviceApp:
    apps = list(stage.description.get("apps", {}).values())
    if not apps:
        raise ShipwayError("the story has a fleet, and what it copies no app", fix="name the app's folder under `copy`")
    return DeviceApp.model_validate(apps[0])
