"""Which state of the app a story's patches fit: the files as they lie in the checkout, else the newest commit."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from shipway.core.errors import ShipwayError
from shipway.demo.commands import must
from shipway.demo.story import Story

MOST_COMMITS = 200
Read = Callable[[str], bytes | None]
"""A file's content by its path in the app; None where it has none."""


def unfit_patch(app: Path, patches: Path, story: Story) -> str | None:
    """The first patch of the story that does not apply to the files in `app`, if there is one."""
    return _first_unfit(patches, story, lambda path: (app / path).read_bytes() if (app / path).is_file() else None)


def newest_fitting_commit(checkout: Path, story: Story) -> str | None:
    """The newest commit of the checkout's branch to which every patch of the story applies, if there is one."""
    listed = must(["git", "rev-list", "--first-parent", f"--max-count={MOST_COMMITS}", "HEAD"], checkout).stdout
    return next(
        (c for c in listed.split() if _first_unfit(checkout / "demo", story, _reader(checkout, c)) is None), None
    )


def export(checkout: Path, commit: str, story: Story, target: Path) -> None:
    """Write what the story copies below `target`, as a commit has it."""
    with tempfile.TemporaryDirectory(prefix="shipway-fitting-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        must(["git", "read-tree", commit], checkout, index)
        listed = must(["git", "ls-files", "-z", "--", *story.copy_], checkout, index).stdout
        names = [name for name in listed.split("\0") if name and story.takes(name)]
        for start in range(0, len(names), 500):
            prefix = f"--prefix={target}{os.sep}"
            must(["git", "checkout-index", "--force", prefix, "--", *names[start : start + 500]], checkout, index)


def _first_unfit(patches: Path, story: Story, read: Read) -> str | None:
    """Apply them for real, one after the other, to copies of the files that they name."""
    with tempfile.TemporaryDirectory(prefix="shipway-fitting-") as folder:
        scratch = Path(folder)
        for path in _touched(patches, story):
            content = read(path)
            if content is not None:
                (scratch / path).parent.mkdir(parents=True, exist_ok=True)
                (scratch / path).write_bytes(content)
        for step in story.steps:
            if step.patch and not _passes(scratch, patches / step.patch, takes_back=step.is_reverted):
                return step.patch
    return None


def _passes(scratch: Path, patch: Path, *, takes_back: bool) -> bool:
    # The scratch folder is no repository, and none around it may be taken for its own.
    environment = {"GIT_CEILING_DIRECTORIES": str(scratch.parent)}
    try:
        must(["git", "apply", "--recount", str(patch)], scratch, environment)
        if takes_back:
            must(["git", "apply", "--recount", "--reverse", str(patch)], scratch, environment)
    except ShipwayError:
        return False
    return True


def _touched(patches: Path, story: Story) -> set[str]:
    lines = [
        line for step in story.steps if step.patch for line in (patches / step.patch).read_text("utf-8").splitlines()
    ]
    return {line[6:].split("\t")[0] for line in lines if line.startswith(("--- a/", "+++ b/"))}


def _reader(checkout: Path, commit: str) -> Read:
    def read(path: str) -> bytes | None:
        try:
            return must(["git", "show", f"{commit}:{path}"], checkout).stdout.encode("utf-8")
        except ShipwayError:
            return None

    return read
