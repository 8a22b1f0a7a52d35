"""What is taken for a bundle, and the zip of it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.core.errors import Refused
from shipway.local.apps import content as module
from shipway.local.apps.content import content_of


def folder_with(place: Path, *names: str) -> Path:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(name)
    return place


def test_equal_files_make_equal_zips(tmp_path: Path) -> None:
    """In another folder, made in another order, at another time and with other rights: the same bytes, the same digest."""
    one = folder_with(tmp_path / "one", "index.html", "assets/b.js", "assets/a.js", "assets/a.js.map")
    two = folder_with(tmp_path / "elsewhere" / "two", "assets/a.js", "assets/b.js", "index.html")
    os.utime(two / "index.html", (1e9, 1e9))
    (two / "index.html").chmod(0o755)
    made = []
    for n, folder in enumerate((one, two)):
        content = content_of(folder, "app")
        content.write_zip(tmp_path / f"{n}.zip")
        made.append((content.digest, (tmp_path / f"{n}.zip").read_bytes()))
    assert made[0] == made[1]
    with zipfile.ZipFile(tmp_path / "0.zip") as archive:
        assert ["assets/a.js", "assets/b.js", "index.html"] == archive.namelist()
    (two / "index.html").write_text("other")
    assert made[0][0] != content_of(two, "app").digest


def test_source_maps_stay_here(tmp_path: Path) -> None:
    """They are no part of what devices load."""
    content = content_of(folder_with(tmp_path, "index.html", "a.js", "a.js.map"), "app")
    assert ({"index.html", "a.js"}, {"a.js.map"}) == (set(content.files), set(content.maps))


def _link(place: Path) -> None:
    folder_with(place, "index.html")
    (place / "a").symlink_to("/etc/passwd")


def _pipe(place: Path) -> None:
    folder_with(place, "index.html")
    os.mkfifo(place / "pipe")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda place: place.rmdir(), "the build left no folder"),
        (lambda place: folder_with(place, "deep/index.html"), "has no index.html at its top"),
        (_link, "'a' is a link"),
        (_pipe, "'pipe' is no file"),
        (lambda place: folder_with(place, "index.html", "a\\..\\b"), "the path"),
        (lambda place: folder_with(place, "index.html", "a\nb"), "the path"),
        (lambda place: folder_with(place, "index.html", "C:x"), "the path"),
        (lambda place: folder_with(place, "index.html", "x" * 201), "the path"),
        (lambda place: folder_with(place, "index.html", "A.js", "a.js"), "are one file on some devices"),
    ],
)
def test_what_is_no_bundle_is_refused(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    """Nothing is published that a device could not unpack, or should not."""
    make(tmp_path)
    with pytest.raises(Refused, match=message) as raised:
        content_of(tmp_path, "app")
    assert raised.value.fix
    assert "nothing was published" in raised.value.state


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither too many files nor too many bytes."""
    folder = folder_with(tmp_path, "index.html", "a.js")
    monkeypatch.setattr(module, "MOST_FILES", 1)
    with pytest.raises(Refused, match="allowed are 1"):
        content_of(folder, "app")
    monkeypatch.setattr(module, "MOST_FILES", 2)
    monkeypatch.setattr(module, "MOST_BYTES", 3)
    with pytest.raises(Refused, match="MiB"):
        content_of(folder, "app")
