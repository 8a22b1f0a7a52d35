"""An error as people read it: what happened and why, what the state is now, the next command."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.text import paragraph
from shipway.core.errors import ShipwayError


def error_lines(error: ShipwayError) -> list[str]:
    """A mark and what happened; then the state and what to do, where they are known."""
    first, *others = paragraph(error.what, "  ")
    lines = [f"✘ {first}", *others]
    if error.state:
        lines += [f"  {line}" for line in paragraph(error.state, "")]
    if error.fix:
        lines.append("  Next: " + "\n".join(paragraph(error.fix, "        ")))
    return [line for text in lines for line in text.splitlines()]


def error_object(error: ShipwayError) -> dict[str, Any]:
    """The same for programs, in the shape of the daemon's API."""
    inner = {"what": error.what, "fix": error.fix, "state": error.state, "exit_code": error.exit_code}
    return {"error": inner}
