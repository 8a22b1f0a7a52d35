"""What a deploy would do, before anything is done."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.text import plain, short


def preview_lines(preview: dict[str, Any]) -> list[str]:
    """The commit, then each environment that it would pass."""
    path = " → ".join(plain(step["environment"]) for step in preview["steps"])
    lines = [f'would take {short(preview["commit"])} "{plain(preview["subject"])}" → {path}']
    lines += [f"– {plain(note)}" for note in preview["notes"]]
    for step in preview["steps"]:
        lines += _step_lines(step)
    return [*lines, "nothing was changed"]


def _step_lines(step: dict[str, Any]) -> list[str]:
    asked = f"asks {' or '.join(map(plain, step['approval']))}, then " if step["approval"] else ""
    over = f"over {plain(step['serves'])}" if step["serves"] else "as its first release"
    strategy = plain(step["strategy"]).replace("_", " ")
    lines = [plain(step["environment"]), f"  · {asked}{strategy} {over}: {plain(step['shares'])}"]
    lines += [f"  – {plain(note)}" for note in step["notes"]]
    return lines + [f"  ✘ would be refused: {plain(wrong)}" for wrong in step["wrong"]]
