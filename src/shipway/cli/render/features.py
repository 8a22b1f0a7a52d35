"""Feature groups and records as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shipway.cli.render.text import plain, table


def group_table(groups: list[dict[str, Any]]) -> list[str]:
    """One line for each, as shipway.yaml has them."""
    rows = [
        (
            shown["name"],
            str(shown["records"]),
            shown["group"]["record_id"],
            shown["group"]["event_time"],
            "–" if shown["group"]["ttl"] is None else f"{shown['group']['ttl']:g} s",
            str(len(shown["group"]["types"])),
        )
        for shown in groups
    ]
    heads = ("GROUP", "ONLINE", "RECORD ID", "EVENT TIME", "TTL", "FEATURES")
    return table(heads, rows) or ["no feature group: declare one under `features:` in shipway.yaml"]


def put_line(put: dict[str, Any]) -> list[str]:
    """How many are online now, and which were older than what was."""
    where = f"{plain(put['group'])} in {plain(put['environment'])}"
    lines = [f"✔ {put['kept']} online: {where}"] if put["kept"] else []
    if put["older"]:
        some = ", ".join(plain(id) for id in put["older"][:5]) + (" …" if len(put["older"]) > 5 else "")
        lines.append(f"· {len(put['older'])} not kept, as what is online is newer: {some}")
    return lines or [f"· nothing was put: {where}"]


def record_lines(records: list[dict[str, Any]], asked: Sequence[str]) -> list[str]:
    """Each record's values, and a line for each that is not there."""
    there = {record["id"]: record for record in records}
    lines: list[str] = []
    for id in dict.fromkeys(asked):
        if id not in there:
            lines.append(f"{plain(id)}: no record online")
            continue
        lines.append(plain(id))
        lines += [f"  {plain(name)}: {plain(value)}" for name, value in there[id]["values"].items()]
    return lines
