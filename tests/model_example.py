"""The complete example of docs/model-bucket.md."""

from __future__ import annotations

import re
from pathlib import Path

from shipway.registry.files import CONTRACT

PAGE = (Path(__file__).parent.parent / CONTRACT).read_text(encoding="utf-8")


def write_example(folder: Path) -> Path:
    """Write the page's folder: metadata, model and held-out rows."""
    folder.mkdir()
    for name, content in re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        (folder / name).write_text(content)
    assert {"metadata.json", "model.txt", "holdout.csv"} == {file.name for file in folder.iterdir()}
    return folder
