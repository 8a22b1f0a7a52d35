"""Whether what serves is what was asked for: asked of ECS's running tasks, and of the app's own public answers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shipway.aws.services import EcsTask, digest_of
from shipway.aws.told import Told
from shipway.core.contract.wanted import WantedError, parse
from shipway.core.description.app import Probe
from shipway.core.errors import ShipwayError
from shipway.core.releases.release import Release

ASKED_PER_TASK = 3
_TIMEOUT = 10.0
_LARGEST = 1024**2


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the app: its status, and the model version that it names in a header or in its JSON, if any."""

    status: int
    model: str | None = None


Ask = Callable[[str, Probe], Answer]
"""Sends a probe to a public host. Raises OSError where there is no answer."""


def check_tasks(release: Release, tasks: Mapping[str, list[EcsTask]], least: int) -> str:
    """Raise ShipwayError unless at least `least` tasks of every service run, all of them the release's image.

    What was read, otherwise: `3/3 tasks`.
    """
    counts = []
    for service, all_tasks in tasks.items():
        running = [task for task in all_tasks if task.status == "RUNNING"]
        wanted = digest_of(release.artifacts[service].address)
        strange = [task for task in running if task.digests.get(service) != wanted]
        if strange:
            found = strange[0].digests.get(service, "")[:12] or "nothing known"
            raise ShipwayError(f"{service}: task {strange[0].id} runs {found}, not {wanted[:12]}")
        if len(running) < least:
            raise ShipwayError(f"{service}: {len(running)} of {least} tasks run")
        counts.append(f"{service} {len(running)} tasks, digest {wanted[:6]}")
    return ", ".join(counts)


def check_model(release: Release, told: Mapping[str, Told], parameter: str, tasks: int, ask: Ask) -> str:
    """Raise ShipwayError when an answer names another model version than the environment's parameter asks for.

    A sample: three answers for each task, through the load balancer. What was read: `12 of 12 answers by v1.0`.
    """
    wanted = parse(parameter)
    allowed = {version for version, _ in wanted.variants}
    probes = [
        (told[name].host, probe) for name, service in release.app.services.items() if service.routes
        for probe in service.probes
    ]  # fmt: skip
    try:
        answers = [ask(host, probe) for host, probe in probes for _ in range(ASKED_PER_TASK * tasks)]
    except OSError as error:
        raise ShipwayError(f"{probes[0][0]} does not answer: {error}") from error
    naming = [answer.model for answer in answers if answer.model is not None]
    if strange := [model for model in naming if model not in allowed]:
        raise ShipwayError(
            f"{len(strange)} of {len(naming)} answers came from model {strange[0]}, not {wanted.version}"
        )
    if not naming:
        return f"model {wanted.version} not read back: no probe's answer names one (x-model-version, or model_version)"
    return f"{len(naming)} of {len(naming)} answers by model {wanted.version}"


def wanted_model(text: str | None) -> str | None:
    """The version that a parameter names; None for Terraform's `none`, and for what cannot be read."""
    try:
        return None if text is None else parse(text).version
    except WantedError:
        return None


def ask_public(host: str, probe: Probe) -> Answer:
    """Send the probe to the environment's public name. Raises OSError."""
    body = None if probe.body is None else json.dumps(probe.body).encode()
    request = urllib.request.Request(
        f"https://{host}{probe.path}",
        data=body,
        method=probe.method,
        headers={"Content-Type": "application/json", "User-Agent": "shipway"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            return Answer(answer.status, _named(answer.headers.get("x-model-version"), answer.read(_LARGEST)))
    except urllib.error.HTTPError as error:
        return Answer(error.code)


def _named(header: str | None, body: bytes) -> str | None:
    if header:
        return header
    try:
        found = json.loads(body)
    except ValueError:
        return None
    version = found.get("model_version") if isinstance(found, dict) else None
    return version if isinstance(version, str) else None
