"""Where the programs lie that run in environments of their own."""

from __future__ import annotations

from pathlib import Path

import shipway


def programs() -> Path:
    """Their folder: in an installed wheel, or in the checkout."""
    package = Path(shipway.__file__).parent
    installed = package / "programs"
    return installed if installed.is_dir() else package.parent.parent
