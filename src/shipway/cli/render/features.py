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
        lines.append(f"· {len(put['older'])} in the history alone, as what is online is newer: {some}")
    return lines or [f"· nothing was put: {where}"]


def compacted_lines(compacted: dict[str, Any]) -> list[str]:
    """How many records of each group went into files."""
    taken = [f"{plain(group)} {number:,}" for group, number in compacted["records"].items() if number]
    return [f"✔ in files now: {', '.join(taken)}" if taken else "· everything is in files already"]


def joined_lines(joined: dict[str, Any]) -> list[str]:
    """How many rows were written, and how much each group knew."""
    known = [
        f"  {plain(group)}: known for {number:,}" + (" of them" if number < joined["rows"] else ", all of them")
        for group, number in joined["known"].items()
    ]
    lines = [f"✔ {joined['rows']:,} rows: {plain(joined['output'])}", *known]
    if joined["rows"] and not any(joined["known"].values()):
        lines.append("  nothing was known at those times; records that were put later count with --written any")
    return lines


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
