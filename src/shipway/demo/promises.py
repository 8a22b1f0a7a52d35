"""The promises of a step, checked against what clients saw. Pure: figures in, sentences out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from shipway.core.contract.cohorts import is_within
from shipway.demo.story import Months, StoryStep

Figures = Mapping[str, Any]


def check_step(step: StoryStep, seen: Figures, rollout: Figures, devices: int) -> list[str]:
    """The promises that a step broke. `seen` are its figures, `rollout` what became of the candidate."""
    if not step.candidate_may_fail:
        return [_failures(step, seen)] if seen["failed"] else []
    broken = []
    candidate = rollout["release"]
    inside = seen["releases"].get(candidate, {"failed": 0, "devices": 0})
    if outside := seen["failed"] - inside["failed"]:
        broken.append(f"{step.name}: {outside} requests failed that {candidate} did not answer: {_kinds(seen)}")
    if not inside["failed"]:
        broken.append(f"{step.name}: {candidate} never failed, so nothing was shown")
    share = _weight(rollout)
    # Devices are hashed into the cohort: it holds about its share of them, give or take three standard deviations.
    most = devices * share + 3 * math.sqrt(devices * share * (1 - share))
    if inside["devices"] > most:
        broken.append(
            f"{step.name}: {inside['devices']} of {devices} devices met {candidate} at a weight of {share:.0%}"
        )
    return broken


def check_taken_back(step: StoryStep, ran: Collection[str], percent: float, left: int) -> list[str]:
    """The promises that a bad bundle broke: `ran` are the devices that ran it, `left` is how many still do."""
    broken = []
    if not ran:
        broken.append(f"{step.name}: no device ever ran the bundle, so nothing was shown")
    if outside := {device for device in ran if not is_within(device, percent)}:
        broken.append(f"{step.name}: {len(outside)} devices beyond {percent:g} % met the bundle")
    if left:
        broken.append(f"{step.name}: {left} devices that call still have the bundle")
    return broken


def check_fleet(step: str, sent: int, failed: int, example: str) -> list[str]:
    """The promise that devices' requests are answered."""
    return [f"{step}: {failed} of {sent:,} requests of devices failed, such as: {example}"] if failed else []


def check_replay(months: Months, played: Figures) -> list[str]:
    """The promises that a replay broke; `played` is what it printed."""
    broken = []
    if played["failed"]:
        broken.append(
            f"{months.name}: {played['failed']} of {played['requests'] + played['outcomes']:,} requests failed"
        )
    for promised, key, why in ((months.monitor, "verdict", "reason"), (months.gate, "decision", "decided")):
        for month, wanted in promised.items():
            found = next((one for one in played["months"] if one["month"] == month), None)
            if found is None:
                broken.append(f"{months.name}: {month} was not played")
            elif found[key] != wanted:
                broken.append(f"{months.name}: {month}: {found[key]}, expected {wanted}: {found[why]}")
    return broken


def rollback_seconds(seen: Figures, candidate: str) -> float | None:
    """From the candidate's first bad answer to its last answer of all; None when it gave no bad one."""
    inside = seen["releases"].get(candidate)
    if inside is None or inside["first_failure"] is None:
        return None
    return float(inside["last"] - inside["first_failure"])


def swap_seconds(seen: Figures, version: str, pointed: float) -> float | None:
    """From the moment (Unix time) the pointer was changed to the last answer of another version than `version`."""
    last = [part["last"] for name, part in seen["versions"].items() if name != version]
    return max(0.0, max(last) - pointed) if last else None


def _weight(rollout: Figures) -> float:
    """The share of the devices that met the candidate in the step where the rollout ended."""
    shares = rollout["shares"].removesuffix(" %").split(" → ")
    return float(shares[rollout["step"] - 1]) / 100


def _failures(step: StoryStep, seen: Figures) -> str:
    by_release = "; ".join(
        f"{part['failed']} of {name or 'no release'}, such as: {part['example']}"
        for name, part in seen["releases"].items()
        if part["failed"]
    )
    return f"{step.name}: {seen['failed']} of {seen['sent']:,} requests failed ({_kinds(seen)}; {by_release})"


def _kinds(seen: Figures) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in seen["kinds"].items())
