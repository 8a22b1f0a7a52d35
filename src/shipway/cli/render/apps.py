"""Bundles: the list, what an environment's devices are offered, what they run, and the lines in the status."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.text import clock_time, duration, plain, table

Json = dict[str, Any]


def bundle_table(bundles: list[Json], now: float) -> list[str]:
    """One line for each bundle, the newest first."""
    rows = [
        (
            one["bundle"]["version"],
            one["bundle"]["commit"][:7],
            f"{one['bundle']['size'] / 1000:,.0f} kB",
            one["bundle"]["native"],
            clock_time(one["bundle"]["built_at"], now),
            ", ".join(f"{name}: {what}" for name, what in one["offered"].items()) or "–",
        )
        for one in bundles
    ]
    headers = ("BUNDLE", "COMMIT", "SIZE", "NATIVE", "BUILT", "DEVICES")
    return table(headers, rows) or ["no bundle yet: shipway deploy builds one"]


def offering_lines(offering: Json, now: float) -> list[str]:
    """What devices are offered, what became of it, what was taken back, and what to do next."""
    name, candidate = plain(offering["environment"]), offering["candidate"]
    lines = [f"{name}: {_offered(offering)}"]
    if offering["counts"] is None:
        lines.append("  what became of it is unknown: nothing that answers devices can be asked")
    elif rows := _counts(offering):
        headers = ("BUNDLE", "OFFERED", "STARTED", "FAILED", "SESSIONS", "ERRORS", "MOSTLY")
        lines += [f"  {line}" for line in table(headers, rows)]
    if candidate is not None:
        lines += [f"  {_progress(candidate, now)}", *_ahead(offering)]
    lines += _taken_back(offering, now)
    if candidate is not None:
        lines.append(f"  To every device: shipway app promote --env {name}   Back: shipway app rollback --env {name}")
    return lines


def device_lines(offering: Json, now: float) -> list[str]:
    """Which bundle how many devices run, and when the newest of them called."""
    name, bad = plain(offering["environment"]), {one["version"] for one in offering["taken_back"]}
    rows = [
        (
            one["version"],
            f"{one['devices']:,}",
            f"{duration(max(0.0, now - one['last_seen']))} ago",
            _role(offering, one["version"], bad),
        )
        for one in offering["seen"]
    ]
    return table(("BUNDLE", "DEVICES", "LAST SEEN", ""), rows) or [f"{name}: no device was seen yet"]


def crash_lines(found: Json, now: float) -> list[str]:
    """A line for each error at its place, and one for each bundle's web vitals."""
    lines = []
    for one in found["crashes"]:
        at = f" at {plain(one['place'])}" if one["place"] else ""
        ago = duration(max(0.0, now - one["last_at"]))
        lines.append(f"{plain(one['version'])}  {plain(one['message'])[:120]}{at}")
        lines.append(
            f"  {plain(one['kind'])}, {one['times']:,} times on {one['devices']:,} devices, the last {ago} ago"
        )
    vitals: dict[str, list[str]] = {}
    for vital in found["vitals"]:
        unit = "" if vital["name"] == "CLS" else " ms"
        vitals.setdefault(plain(vital["version"]), []).append(f"{plain(vital['name'])} {vital['p75']:.4g}{unit}")
    lines += [f"{version}  {', '.join(parts)} (75th percentile)" for version, parts in vitals.items()]
    return lines or ["no device told of an error"]


def status_lines(offering: Json | None, now: float) -> list[str]:
    """A line for what is offered, where that is more than what came with the native app, and for what was taken back."""
    if offering is None:
        return []
    if offering["candidate"] is None and offering["stable"] == "builtin" and not offering["taken_back"]:
        return []
    verdict = plain(offering["candidate"]["verdict"]) if offering["candidate"] else ""
    lines = [f"· devices: {_offered(offering)}" + (f" ({verdict})" if verdict else "")]
    return lines + [line.strip() for line in _taken_back(offering, now)]


def _offered(offering: Json) -> str:
    """`bundle 1.0.0-…, and 1.1.0-… to 5 % of the devices, paused`."""
    candidate = offering["candidate"]
    stable = plain(offering["stable"])
    stable = "the bundle that came with the native app" if stable == "builtin" else f"bundle {stable}"
    if candidate is None:
        return stable
    held = ", paused" if candidate["paused"] else ", fixed" if candidate["fixed"] else ""
    return f"{stable}, and {plain(candidate['version'])} to {candidate['percent']:g} % of the devices{held}"


def _progress(candidate: Json, now: float) -> str:
    by = f" by {plain(candidate['release'])}" if candidate["release"] else f" by {plain(candidate['by'])}"
    step = "" if candidate["fixed"] else f"step {candidate['step']} of {candidate['steps']}, "
    verdict = f": {plain(candidate['verdict'])}" if candidate["verdict"] else ""
    return f"{step}for {duration(max(0.0, now - candidate['since']))}{by}{verdict}"


def _ahead(offering: Json) -> list[str]:
    """The shares that follow, and why they are fewer than the policy's where few devices call."""
    candidate = offering["candidate"]
    if candidate["fixed"] or not candidate["ahead"]:
        return []
    way = " → ".join(f"{share:g}" for share in candidate["ahead"])
    passed = candidate["steps"] - candidate["step"] - len(candidate["ahead"])
    why = ""
    if passed and offering["fleet"] is not None:
        why = f"; smaller shares of {offering['fleet']:,} devices have too few to judge by"
    return [f"  then {way} % of the devices{why}"]


def _counts(offering: Json) -> list[tuple[object, ...]]:
    candidate = offering["candidate"]
    named = [offering["stable"], *([candidate["version"]] if candidate else [])]
    return [
        (
            version, *(f"{found[key]:,}" for key in ("offered", "started", "failed", "sessions", "errors")),
            max(found["reasons"], key=lambda one: found["reasons"][one], default="–"),
        )
        for version in named
        if (found := offering["counts"].get(version)) is not None
    ]  # fmt: skip


def _taken_back(offering: Json, now: float) -> list[str]:
    lines = []
    for one in offering["taken_back"]:
        line = (
            f"  ✘ bundle {plain(one['version'])} was taken back at {clock_time(one['at'], now)}: {plain(one['reason'])}"
        )
        if one["devices"]:
            seen = duration(max(0.0, now - one["last_seen"]))
            line += f"; {one['devices']:,} devices still had it when they last called, the newest {seen} ago"
        lines.append(line)
    return lines


def _role(offering: Json, version: str, bad: set[str]) -> str:
    if version == offering["stable"]:
        return "stable"
    if offering["candidate"] is not None and offering["candidate"]["version"] == version:
        return f"on its way, {offering['candidate']['percent']:g} %"
    return "taken back: given another one when they call" if version in bad else "given another one when they call"
