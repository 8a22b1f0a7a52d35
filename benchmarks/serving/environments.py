"""The environments of peers and helpers: made by uv once for each requirements file, kept in a cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import uv

from benchmarks.figures import Tell
from shipway.core.errors import ShipwayError
from shipway.local.builds.python_environment import interpreter
from shipway.local.files.file_lock import locked

CACHE = "SHIPWAY_BENCHMARKS_CACHE"
_TIMEOUT = 900.0


def cache_folder() -> Path:
    """Where environments are kept: `$SHIPWAY_BENCHMARKS_CACHE`, or `~/.cache/shipway-benchmarks`."""
    return Path(os.environ.get(CACHE) or Path.home() / ".cache" / "shipway-benchmarks").resolve()


def environment(requirements: Path, tell: Tell) -> Path:
    """The interpreter of an environment that holds exactly these requirements. Raises ShipwayError.

    Pinned versions are all there is (a peer's file) or come with hashes (a part's lock), which are then checked.
    """
    content = requirements.read_bytes()
    digest = hashlib.sha256(content + interpreter().encode()).hexdigest()[:16]
    place = cache_folder() / f"{requirements.parent.name}-{digest}"
    python, complete = place / "bin" / "python", place / ".complete"
    if complete.exists() and python.exists():
        return python
    with locked(place.with_name(f".{place.name}.lock"), _TIMEOUT, f"making {place}"):
        if not (complete.exists() and python.exists()):
            tell(f"{requirements.parent.name}: making its environment (once)")
            shutil.rmtree(place, ignore_errors=True)
            _uv("venv", "--no-python-downloads", "--python", os.path.realpath(sys.executable), str(place))
            hashes = ["--require-hashes"] if b"--hash=" in content else []
            _uv("pip", "sync", "--compile-bytecode", *hashes, "--python", str(python), str(requirements))
            complete.touch()
    return python


def _uv(*words: str) -> None:
    try:
        done = subprocess.run(
            [uv.find_uv_bin(), *words, "--quiet"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ShipwayError(f"uv gave up after {_TIMEOUT:.0f} s", fix="check the network") from error
    if done.returncode != 0:
        raise ShipwayError(
            f"an environment could not be made: {done.stderr.strip()[-2000:]}",
            fix="mend the requirements file, or the way to the package index, then try again",
        )
