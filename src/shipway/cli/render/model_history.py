"""Which model served when, and whose doing each was."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.text import clock_time, plain, short

_WAYS = {"rollout": "by a rollout", "flip": "back to a warm side", "swap": "in the running tasks"}


def history_lines(answer: dict[str, Any], now: float) -> list[str]:
    """A block for each stay of a version, the newest first; or what served at a moment."""
    stays = answer["stays"]
    if not stays:
        when = f"at {clock_time(answer['at'], now)}" if answer["at"] is not None else "yet"
        return [f"no model served {when}"]
    lines = []
    for stay in stays:
        until = clock_time(stay["until"], now) if stay["until"] is not None else "now"
        release = f"  ({plain(stay['release'])})" if stay["release"] else ""
        where, version = plain(stay["environment"]), plain(stay["version"])
        lines.append(f"{where}  {version}  from {clock_time(stay['since'], now)} until {until}{release}")
        lines += [f"    {line}" for line in _told(stay)]
    return lines


def _told(stay: dict[str, Any]) -> list[str]:
    origin, decided = stay["origin"], stay["decided"]
    lines = [f"beside it  {plain(stay['beside'])}"] if stay["beside"] else []
    lines.append(f"trained    {_trained(origin) if origin else 'not known any more'}")
    if decided:
        why = f": {plain(decided['why'])}" if decided["why"] else ""
        lines.append(f"{plain(decided['status']):10} by {plain(decided['by'])}, {plain(decided['at'])}{why}")
    else:
        lines.append("approved   by nobody until then")
    run = f", run {plain(stay['run'])}" if stay["run"] else ""
    way = f", {_WAYS[stay['kind']]}" if stay["kind"] else ""
    back = ", on the way back" if stay["back"] else ""
    why = f": {plain(stay['why'])}" if stay["why"] else ""
    lines.append(f"promoted   by {plain(stay['by'])}{run}{way}{back}{why}")
    return [*lines, f"probation  {plain(stay['probation'])}"] if stay["probation"] else lines


def _trained(origin: dict[str, Any]) -> str:
    """`by ann, run 7, on 2013-01-01 to 2013-10-01, commit abc1234, after v1.0, gate: promote`."""
    parts = [f"by {plain(origin['author'])}" if origin["author"] else "by nobody who is named"]
    parts += [f"run {plain(origin['run'])}"] if origin["run"] else []
    if origin["begin"] and origin["until"]:
        parts.append(f"on {plain(origin['begin'])} to {plain(origin['until'])}")
    elif origin["trained_at"]:
        parts.append(f"at {plain(origin['trained_at'])}")
    parts += [f"commit {short(origin['commit'])}"] if origin["commit"] else []
    parts += [f"after {plain(origin['parent'])}"] if origin["parent"] else []
    parts += [f"gate: {plain(origin['gate'])}"] if origin["gate"] else []
    return ", ".join(parts)
