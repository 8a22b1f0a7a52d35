"""Folders outside of a service's own that become part of it."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.errors import UsageError
from shipway.local.source.git_export import LINK, Entry
from shipway.local.source.git_source import GitSource
from shipway.local.source.included import assembled

FILES = {
    "web/main.py": "main",
    "web/lib/own.py": "own",
    "shared/top.py": "top",
    "shared/features/delay.py": "delay",
    "shared/features/deep/far.py": "far",
    "shared/base/one.py": "one",
    "other/secret": "secret",
}


@pytest.fixture
def export(repository, tmp_path):
    """Exports `web`, with these links committed, including these folders; answers path → content, or a link's target."""

    def export(links, include=("shared",)):
        repository.commit(FILES)
        for place, target in links.items():
            (repository.folder / place).parent.mkdir(parents=True, exist_ok=True)
            (repository.folder / place).symlink_to(target)
        repository.commit({})
        source = GitSource(repository.folder)
        source.check_whole(source.resolve("HEAD"), "web", include)
        source.export(source.resolve("HEAD"), "web", tmp_path / "out", include)
        found = {}
        for path in (tmp_path / "out").rglob("*"):
            name = path.relative_to(tmp_path / "out").as_posix()
            if path.is_symlink():
                found[name] = f"-> {os.readlink(path)}"  # noqa: PTH115
            elif path.is_file():
                found[name] = path.read_text()
        assert ("main", "own") == (found.pop("main.py"), found.pop("lib/own.py"))
        return found

    return export


FEATURES = {"delay.py": "delay", "deep/far.py": "far"}
SHARED = {"top.py": "top", "base/one.py": "one", **{f"features/{name}": text for name, text in FEATURES.items()}}


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ({"web/lib/s": "../../shared"}, {f"lib/s/{name}": text for name, text in SHARED.items()}),
        ({"web/one.py": "../shared/base/one.py"}, {"one.py": "one"}),
        ({"web/f": "../shared/features/"}, {f"f/{name}": text for name, text in FEATURES.items()}),
        # by another link: of the service's, and of the included folder's
        ({"web/d": "../shared/features/deep", "web/a.py": "d/far.py"}, {"d/far.py": "far", "a.py": "far"}),
        ({"web/d": "../shared/now/deep", "shared/now": "features"}, {"d/far.py": "far"}),
        # links that stay in what is copied stay links; what leaves it is copied as well
        ({"web/b": "../shared/base", "shared/base/same.py": "./one.py"}, {"b/one.py": "one", "b/same.py": "-> ./one.py"}),
        ({"web/b": "../shared/base", "shared/base/top.py": "../top.py"}, {"b/one.py": "one", "b/top.py": "top"}),
        ({"web/b": "../shared/base", "shared/base/d": "../features/deep"}, {"b/one.py": "one", "b/d/far.py": "far"}),
        # what leads nowhere leads nowhere there, too: the folder "none" would have to be there
        ({"web/b": "../shared/base", "shared/base/x": "none/../../top.py"},
         {"b/one.py": "one", "b/x": "-> none/../../top.py"}),
        # links of the service that have nothing to do with it
        ({"web/f.py": "../shared/top.py", "web/own": "lib/own.py", "web/no": "lib/none"},
         {"f.py": "top", "own": "-> lib/own.py", "no": "-> lib/none"}),
    ],
)  # fmt: skip
def test_what_a_link_leads_to_comes_in_its_place(export, links, expected):
    """Files are copied, folders with all that they hold, wherever in an included folder the link leads."""
    assert expected == export(links)


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ({"web/s": "../shared", "web/x": "../other/secret"}, "web/x is a link or path that leads out"),
        ({"web/s": "../shared", "web/x": "s/../other/secret"}, "web/x is a link or path that leads out"),
        ({"web/s": "../shared", "web/x": "/etc/passwd"}, "x is a link or path that leads out"),
        ({"web/s": "../shared", "web/x": "../../../etc/passwd"}, "web/x is a link or path that leads out"),
        ({"web/s": "../shared", "web/x": "../web/main.py"}, "web/x is a link or path that leads out"),
        ({"web/s": "../shared", "shared/x": "../other/secret"}, "shared/x is a link or path that leads out"),
        ({"web/s": "../shared", "shared/x": "../web/main.py"}, "shared/x is a link or path that leads out"),
        # in the service's folder there is a lib/own.py, in the repository's there is none
        ({"web/s": "../shared", "shared/x": "../lib/own.py"}, "shared/x is a link or path that leads out"),
        ({"web/s": "../shared", "web/x": "../away/shared/top.py", "away": "."}, "web/x is a link or path that leads"),
        ({"web/s": "../shared/none"}, "web/s leads to shared/none, which is not in the commit"),
        ({"web/s": "../shared/top.py/"}, "web/s leads to shared/top.py, which is not in the commit"),
        ({"web/s": "../shared/loop", "shared/loop": "loop"}, "web/s is a link or path that leads out"),
        ({"web/s": "../shared/base", "shared/base/f": "../features", "shared/features/b": "../base"},
         "shared/features/b leads to shared/base, which leads back to it"),
        ({}, "no link in web leads into shared, which it includes"),
        ({"web/x": "lib/own.py"}, "no link in web leads into shared, which it includes"),
    ],
)  # fmt: skip
def test_other_links_are_refused(export, links, message):
    """What a checkout shows there would not be in the service, or something else would."""
    with pytest.raises(UsageError, match=message):
        export(links)


def test_several_folders_are_included(export):
    """One may lead into the other: all that is used is named."""
    links = {"web/f": "../shared/features", "shared/features/base": "../base"}
    with pytest.raises(UsageError, match="shared/features/base is a link or path that leads out"):
        export(links, include=["shared/features"])


def test_a_folder_that_is_included_by_an_included_one_is_used(export):
    """The link to it lies in the other one."""
    links = {"web/f": "../shared/features", "shared/features/base": "../base"}
    expected = {**{f"f/{name}": text for name, text in FEATURES.items()}, "f/base/one.py": "one"}
    assert expected == export(links, include=["shared/features", "./shared/base/"])


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ("shard", "has no shard"), ("shared/top.py", "shared/top.py is not a folder but a file"),
        ("alias", "alias is not a folder but a link"),
    ],
)  # fmt: skip
def test_a_folder_that_the_commit_lacks_is_named(export, include, message):
    """It is looked up as the service's own is."""
    with pytest.raises(UsageError, match=message):
        export({"web/s": "../shared", "alias": "shared"}, include=["shared", include])


def test_the_advice_for_a_missing_link_works(export, repository):
    """As it is told, word by word."""
    with pytest.raises(UsageError, match="no link in web") as error:
        export({})
    command = error.value.fix.partition("such as ")[2].partition(", or")[0]
    subprocess.run(shlex.split(command), cwd=repository.folder, check=True)
    assert {f"shared/{name}": text for name, text in SHARED.items()} == export({})


def test_pointers_in_an_included_folder_are_refused(export, repository):
    """By the path that their own folder has."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    repository.commit({"shared/base/big.bin": pointer})
    with pytest.raises(UsageError, match=r"shared/base/big\.bin is a Git LFS pointer"):
        export({"web/b": "../shared/base"})


PLACES = ["web", "web/lib", "shared", "shared/features", "shared/features/deep", "shared/base"]
PARTS = ["..", ".", "web", "lib", "shared", "features", "deep", "base", "other", "top.py", "far.py", "l0", "l1", "l2"]
LINKS = st.lists(
    st.tuples(
        st.sampled_from(PLACES),
        st.one_of(
            st.lists(st.sampled_from(PARTS), min_size=1, max_size=5).map("/".join),
            st.tuples(
                st.integers(0, 3), st.sampled_from([*PLACES, *FILES, "features", "base", "l0", "l1", "deep/l2"])
            ).map(lambda drawn: "../" * drawn[0] + drawn[1]),
        ),
    ),
    min_size=1,
    max_size=4,
)


@given(LINKS, st.sampled_from([["shared"], ["shared/features"], ["shared/features", "shared/base"]]))
def test_a_service_holds_what_its_checkout_shows(made, include):
    """Under every path of the service's folder, as far as one likes to follow it, or it is refused."""
    with tempfile.TemporaryDirectory() as scratch:
        checkout, out = Path(scratch, "checkout"), Path(scratch, "out")
        links = {f"{place}/l{n}": target for n, (place, target) in enumerate(made)}
        links["web/s"] = "../" + include[0]
        _write(checkout, FILES, links)
        trees = {
            tree: [
                Entry(LINK if path in links else "100644", path, path[len(tree) + 1 :])
                for path in (*FILES, *links)
                if path.startswith(f"{tree}/")
            ]
            for tree in ("web", *include)
        }
        known = {path: target for path, target in links.items() if path.startswith(tuple(f"{tree}/" for tree in trees))}
        try:
            entries = assembled("web", trees, known, "commit")
        except UsageError:
            return
        _write(
            out,
            {entry.path: FILES[entry.id] for entry in entries if entry.mode != LINK},
            {entry.path: links[entry.id] for entry in entries if entry.mode == LINK},
        )
        # A link that leads to itself and out again: an export refuses it once it is written.
        if all(f"{os.path.realpath(out / entry.path)}/".startswith(f"{out}/") for entry in entries):
            assert _seen(checkout / "web") == _seen(out)


def _write(folder: Path, files: dict[str, str], links: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for path, target in links.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(target)


def _seen(folder: Path, depth: int = 7) -> dict[str, object]:
    """What can be read below a folder, links followed, so many levels deep."""
    seen: dict[str, object] = {}
    for path in folder.iterdir():
        if path.is_dir():
            seen[path.name] = _seen(path, depth - 1) if depth else "…"
        elif path.is_file():
            seen[path.name] = path.read_text()
    return seen
