"""Model versions tried out beside the one that serves: the whole comparison, and its line in the status."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.text import clock_time, plain, table

_WORDS = {"promote": "would promote", "hold": "waits", "rollback": "bad"}


def experiment_lines(experiment: dict[str, Any], now: float) -> list[str]:
    """The comparison: a table of the versions that answer, the shadow, and what was taken out."""
    name = plain(experiment["environment"])
    if not experiment["split"] and not experiment["shadow"]:
        lines = [f"{name}: model {plain(experiment['model_version'])} answers everyone"]
        return [*lines, *(line for stopped in experiment["stopped"] for line in _stopped(stopped, now))]
    by = f" by {plain(experiment['by'])}" if experiment["by"] else ""
    why = f": {plain(experiment['why'])}" if experiment["why"] else ""
    lines = [f"{name}: model {_parts(experiment)}, since {clock_time(experiment['since'], now)}{by}{why}"]
    rows = [_row(version) for version in experiment["versions"]]
    headers = ("VERSION", "SHARE", "REQUESTS", "ERRORS", "P95", "MEAN", "SHIFT", "VERDICT")
    lines += [f"  {line}" for line in table(headers, rows)] if rows else []
    if shadow := experiment["shadow_report"]:
        lines += ["", *(f"  {line}" for line in _shadow(shadow))]
    lines += [line for stopped in experiment["stopped"] for line in _stopped(stopped, now)]
    if experiment["split"]:
        lines.append(f"  All of it: shipway model promote {plain(next(iter(experiment['split'])))} --env {name}")
        lines.append(f"  End it: shipway model split --off --env {name}")
    if experiment["shadow"]:
        lines.append(f"  End it: shipway model shadow --off --env {name}")
    return lines


def status_lines(experiment: dict[str, Any], now: float) -> list[str]:
    """A line for what is tried out, and one for each candidate that was taken out."""
    lines = []
    if experiment["split"] or experiment["shadow"]:
        verdicts = [
            f"{plain(version['version'])} {_verdict(version['verdict'])}"
            for version in [
                *experiment["versions"],
                *([experiment["shadow_report"]] if experiment["shadow_report"] else []),
            ]
            if version["verdict"]
        ]
        lines.append(f"· model {_parts(experiment)}" + (f" ({'; '.join(verdicts)})" if verdicts else ""))
    return lines + [line.strip() for stopped in experiment["stopped"] for line in _stopped(stopped, now)]


def _parts(experiment: dict[str, Any]) -> str:
    """`v1.1 90 %, v1.2 10 %, shadow v1.3 of 100 %`."""
    split = experiment["split"]
    rest = max(0.0, 100.0 - sum(split.values()))
    parts = [f"{plain(experiment['model_version'])} {rest:g} %" if split else plain(experiment["model_version"])]
    parts += [f"{plain(version)} {percent:g} %" for version, percent in split.items()]
    if shadow := experiment["shadow"]:
        parts.append(f"shadow {plain(shadow['version'])} of {shadow['percent']:g} %")
    return ", ".join(parts)


def _row(version: dict[str, Any]) -> tuple[str, ...]:
    requests, errors = version["requests"], version["errors"]
    share = f" ({100 * errors / requests:.3g} %)" if errors else ""
    return (
        version["version"],
        f"{version['percent']:g} %",
        f"{requests:,}",
        f"{errors:,}{share}",
        "–" if version["p95"] is None else f"{1000 * version['p95']:.3g} ms",
        "–" if version["mean"] is None else f"{version['mean']:.4g}",
        "–" if version["shift"] is None else f"{100 * version['shift']:.3g} %",
        _verdict(version["verdict"]) if version["verdict"] else "stable",
    )


def _shadow(shadow: dict[str, Any]) -> list[str]:
    compared = f"{shadow['compared']:,} rows compared"
    if shadow["compared"]:
        compared += (
            f", {shadow['disagreements']:,} disagree ({100 * shadow['disagreement']:.3g} %), "
            f"mean difference {shadow['mean_difference']:.3g}, largest {shadow['largest_difference']:.3g}"
        )
    lines = [f"shadow {plain(shadow['version'])}: {compared}"]
    if shadow["mean"] is not None and shadow["stable_mean"] is not None:
        lines.append(f"  mean prediction {shadow['mean']:.4g}, clients got {shadow['stable_mean']:.4g}")
    if shadow["failed"] or shadow["dropped"]:
        lines.append(f"  requests it failed on: {shadow['failed']:,}, had no time for: {shadow['dropped']:,}")
    return [*lines, f"  {_verdict(shadow['verdict'])}"]


def _verdict(verdict: dict[str, Any]) -> str:
    return f"{_WORDS[verdict['kind']]}: {plain(verdict['reason'])}"


def _stopped(stopped: dict[str, Any], now: float) -> list[str]:
    at = clock_time(stopped["at"], now)
    return [
        f"  ✘ {plain(stopped['version'])} ({stopped['percent']:g} %) was taken out at {at}: {plain(stopped['reason'])}"
    ]
