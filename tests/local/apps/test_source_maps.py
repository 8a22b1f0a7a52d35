"""Places of built files in their sources."""

from __future__ import annotations

import doctest
import json
from pathlib import Path

import pytest

from shipway.core.apps import crashes
from shipway.core.apps.crashes import Frame, frames, read_crashes
from shipway.local.apps.source_maps import SourceMaps

# Line 1: column 1 is src/a.ts 1:1, column 11 is 3:5. Line 2: column 3 is src/b.ts 3:1.
MAP = {"version": 3, "sources": ["../../../src/a.ts", "src/b.ts"], "names": [], "mappings": "AAAA,UAEI;ECAJ,E"}


def maps(folder: Path, content: object) -> SourceMaps:
    (folder / "maps" / "assets").mkdir(parents=True)
    (folder / "maps" / "assets" / "x.js.map").write_text(content if isinstance(content, str) else json.dumps(content))
    (folder / "secret.js.map").write_text(json.dumps(MAP))
    return SourceMaps(folder / "maps")


@pytest.mark.parametrize(
    ("line", "column", "place"),
    [
        (1, 1, "src/a.ts:1:1"),
        (1, 10, "src/a.ts:1:1"),
        (1, 11, "src/a.ts:3:5"),
        (1, 9999, "src/a.ts:3:5"),
        (2, 1, None),
        (2, 3, "src/b.ts:3:1"),
        (3, 1, None),
        (0, 1, None),
    ],
)
def test_a_place_has_its_source(tmp_path: Path, line: int, column: int, place: str | None) -> None:
    """The nearest segment before it says where it comes from."""
    assert place == maps(tmp_path, MAP).place(Frame("assets/x.js", line, column))


@pytest.mark.parametrize(
    "content",
    ["{", "[]", {}, MAP | {"mappings": "!"}, MAP | {"mappings": "AZAA"}, MAP | {"sources": []}, MAP | {"mappings": 7}],
)
def test_what_is_no_map_says_nothing(tmp_path: Path, content: object) -> None:
    """A damaged map is as none."""
    assert maps(tmp_path, content).place(Frame("assets/x.js", 1, 1)) is None


@pytest.mark.parametrize("file", ["../secret.js", "assets/other.js", "assets"])
def test_no_file_elsewhere_is_read(tmp_path: Path, file: str) -> None:
    """What devices tell leads nowhere out of the folder of maps."""
    assert maps(tmp_path, MAP).place(Frame(file, 1, 1)) is None


def test_the_examples_hold() -> None:
    """What the documentation shows is so."""
    assert 0 == doctest.testmod(crashes).failed


def test_frames_of_a_stack() -> None:
    """Chrome's and Safari's, within bounds; what is no place of a bundle's file is passed over."""
    stack = "at f (https://localhost/assets/x.js:1:2)\ng@capacitor://localhost/y.js?v=1:3:4\nat native\n"
    assert [Frame("assets/x.js", 1, 2), Frame("y.js", 3, 4)] == list(frames(stack))
    assert crashes._MOST_FRAMES == len(list(frames(stack * 50)))


@pytest.mark.parametrize(
    "found", [{}, {"crashes": [{}], "vitals": {}}, {"crashes": 1, "vitals": {}}, {"crashes": [], "vitals": 1}]
)
def test_other_answers_are_refused(found: dict[str, object]) -> None:
    """What is not the agreed answer is an error."""
    with pytest.raises(ValueError, match="no crashes"):
        read_crashes(found)
