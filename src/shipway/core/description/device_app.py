"""An app that devices run: how its bundle is built, whose API it calls, and how devices get a new one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from shipway.core.description.command_line import mistakes
from shipway.core.description.folders import is_inside
from shipway.core.description.values import Name, Percent, Seconds, Strict, was_stored

_OPERATION = re.compile(r"(?:GET|PUT|POST|DELETE|OPTIONS|HEAD|PATCH|TRACE) /\S*")


class Calls(Strict):
    """What the app uses of a service's API."""

    document: str = Field(description="copy of the OpenAPI document that it was built with, in the app's folder")
    operations: tuple[str, ...] = Field(default=(), description="such as POST /api/predict; default: all of the copy")
    optional: tuple[str, ...] = Field(default=(), description="operations that it does without where they are missing")


class BundleGuard(Strict):
    """When a bundle is bad: bounds on what devices did with it. Every figure has a default."""

    confidence: float = Field(default=0.99, gt=0.5, lt=1, description="of the verdict that takes a bundle back")
    min_devices: int = Field(default=50, ge=1, description="devices that started it or failed; fewer are `hold`")
    min_devices_to_fail: int = Field(default=8, ge=1, description="fewer devices never take it back")
    max_failures: Percent = Field(default=5.0, description="absolute floor: devices on which it does not start")
    max_failures_increase: Percent = Field(default=2.0, description="points above stable that are tolerated")
    max_crashes: Percent = Field(default=10.0, description="absolute floor: sessions with an uncaught error")
    max_crashes_increase: Percent = Field(default=2.0, description="points above stable that are tolerated")
    hold_timeout: Seconds = Field(default=7 * 86400.0, description="how long a step may lack evidence")
    on_timeout: Literal["rollback", "promote"] = "rollback"


class BundleRollout(Strict):
    """How a new bundle comes to the devices."""

    steps: tuple[Percent, ...] = Field(default=(1.0, 5.0, 25.0, 50.0), description="shares of the devices before 100 %")
    step_wait: Seconds = Field(default=4 * 3600.0, description="shortest stay at a step, and at 100 %")
    guard: BundleGuard = BundleGuard()

    @model_validator(mode="after")
    def _steps(self) -> Self:
        if any(later <= earlier for earlier, later in zip(self.steps, self.steps[1:], strict=False)):
            raise ValueError("steps must grow")
        if any(not 0 < step < 100 for step in self.steps):
            raise ValueError("steps lie between 0% and 100%; 100% follows by itself")
        return self


class DeviceApp(Strict):
    """The app that devices run. Its bundle is a folder with an index.html, and the same in every environment."""

    path: str = Field(description="folder of the app, from the folder of shipway.yaml")
    build: str = Field(min_length=1, description="makes the bundle, in the built tree")
    test: str | None = Field(default=None, description="run in the built tree before")
    bundle: str = Field(default="dist", description="folder, in the app's own, that `build` leaves")
    lock: str = Field(default="package-lock.json", description="npm's lock file in the folder, or `none`")
    tools: str | None = Field(default=None, description="hashed lock file of Python wheels that bring Node")
    native: str = Field(default="native.json", description="file that says the native shell's version and build")
    calls: dict[Name, Calls] = Field(default={}, description="service that it calls → what of its API")
    updates: Name = Field(description="service that offers bundles to devices and counts what becomes of them")
    bucket: Name = "app-bundles-bucket"
    rollout: BundleRollout = BundleRollout()

    @model_validator(mode="after")
    def _paths(self, info: ValidationInfo) -> Self:
        if not was_stored(info) and (findings := list(self._findings())):
            raise ValueError("\n".join(findings))
        return self

    def misfits(self, services: Mapping[str, bool]) -> Iterator[str]:
        """What does not fit the services. `services`: name → whether it says what it answers."""
        allowed = ", ".join(services)
        if self.updates not in services:
            yield f"updates: no service {self.updates!r}; allowed: {allowed}"
        for name in self.calls:
            if name not in services:
                yield f"calls: no service {name!r}; allowed: {allowed}"
            elif not services[name]:
                yield f"calls: {name} does not say what it answers; commit its OpenAPI document and name it in services.{name}.openapi"

    def _findings(self) -> Iterator[str]:
        if not is_inside(self.path):
            yield f"path: {self.path!r} is not a folder below that of shipway.yaml, such as mobile-app"
        files = {"bundle": self.bundle, "lock": self.lock, "tools": self.tools, "native": self.native}
        files |= {f"calls.{name}.document": calls.document for name, calls in self.calls.items()}
        for key, file in files.items():
            if file is not None and not is_inside(file):
                yield f"{key}: {file!r} does not lie inside the app's folder"
        for key, command in (("build", self.build), ("test", self.test)):
            if command is not None:
                yield from (f"{key}: {mistake}" for mistake in mistakes(command, filled=False))
        for name, calls in self.calls.items():
            for operation in (*calls.operations, *calls.optional):
                if _OPERATION.fullmatch(operation) is None:
                    yield f"calls.{name}: {operation!r} is no operation such as POST /api/predict"
