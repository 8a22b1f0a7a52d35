"""Model versions tried out beside the one that serves: the whole comparison, and its line in the status."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.text import clock_time, plain, table

_WORDS = {"promote": "would promote", "hold": "waits", "rollback": "bad"}


def trial_lines(trial: dict[str, Any], now: float) -> list[str]:
    """The comparison: a table of the versions that answer, the shadow, and what was taken out."""
    name = plain(trial["environment"])
    if not trial["split"] and not trial["shadow"]:
        lines = [f"{name}: model {plain(trial['model_version'])} answers everyone"]
        return [*lines, *(line for stopped in trial["stopped"] for line in _stopped(stopped, now))]
    by = f" by {plain(trial['by'])}" if trial["by"] else ""
    why = f": {plain(trial['why'])}" if trial["why"] else ""
    lines = [f"{name}: model {_parts(trial)}, since {clock_time(trial['since'], now)}{by}{why}"]
    rows = [_row(variant) for variant in trial["variants"]]
    headers = ("VERSION", "SHARE", "REQUESTS", "ERRORS", "P95", "MEAN", "SHIFT", "VERDICT")
    lines += [f"  {line}" for line in table(headers, rows)]
    if shadow := trial["shadow_report"]:
        lines += ["", *(f"  {line}" for line in _shadow(shadow))]
    lines += [line for stopped in trial["stopped"] for line in _stopped(stopped, now)]
    if trial["split"]:
        lines.append(f"  All of it: shipway model promote {plain(next(iter(trial['split'])))} --env {name}")
        lines.append(f"  End it: shipway model split --off --env {name}")
    if trial["shadow"]:
        lines.append(f"  End it: shipway model shadow --off --env {name}")
    return lines


def status_lines(trial: dict[str, Any], now: float) -> list[str]:
    """A line for what is tried out, and one for each candidate that was taken out."""
    lines = []
    if trial["split"] or trial["shadow"]:
        verdicts = [
            f"{plain(variant['version'])} {_verdict(variant['verdict'])}"
            for variant in [*trial["variants"], *([trial["shadow_report"]] if trial["shadow_report"] else [])]
            if variant["verdict"]
        ]
        lines.append(f"· model {_parts(trial)}" + (f" ({'; '.join(verdicts)})" if verdicts else ""))
    return lines + [line.strip() for stopped in trial["stopped"] for line in _stopped(stopped, now)]


def _parts(trial: dict[str, Any]) -> str:
    """`v1.1 90 %, v1.2 10 %, shadow v1.3 of 100 %`."""
    split = trial["split"]
    rest = max(0.0, 100.0 - sum(split.values()))
    parts = [f"{plain(trial['model_version'])} {rest:g} %" if split else plain(trial["model_version"])]
    parts += [f"{plain(version)} {percent:g} %" for version, percent in split.items()]
    if shadow := trial["shadow"]:
        parts.append(f"shadow {plain(shadow['version'])} of {shadow['percent']:g} %")
    return ", ".join(parts)


def _row(variant: dict[str, Any]) -> tuple[str, ...]:
    requests, errors = variant["requests"], variant["errors"]
    share = f" ({100 * errors / requests:.3g} %)" if errors else ""
    return (
        variant["version"],
        f"{variant['percent']:g} %",
        f"{requests:,}",
        f"{errors:,}{share}",
        "–" if variant["p95"] is None else f"{1000 * variant['p95']:.3g} ms",
        "–" if variant["mean"] is None else f"{variant['mean']:.4g}",
        "–" if variant["shift"] is None else f"{100 * variant['shift']:.3g} %",
        _verdict(variant["verdict"]) if variant["verdict"] else "stable",
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
