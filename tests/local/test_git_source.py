"""The repository, read as committed."""

from __future__ import annotations

import contextlib
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.core.errors import ShipwayError, UsageError
from shipway.local.git_source import GitSource


@pytest.fixture
def source(repository):
    repository.commit({"shipway.yaml": "app: x\n", "web/main.py": "print(1)\n", "web/data/a.txt": "a"}, "first")
    return GitSource(repository.folder)


def test_a_revision_becomes_a_commit(source, repository):
    """Branches, tags, abbreviations and HEAD name the same commit; a branch's name is kept."""
    commit = source.resolve("main")
    repository.git("tag", "-m", "one", "v1")
    assert (repository.git("rev-parse", "HEAD"), "first", "Ada <ada@example.com>", "main") == (
        commit.id,
        commit.subject,
        commit.author,
        commit.branch,
    )
    assert commit == source.resolve("HEAD")
    assert (commit.id, None) == (source.resolve("v1").id, source.resolve("v1").branch)
    assert commit.id == source.resolve(commit.short).id


@pytest.mark.parametrize(
    "revision", ["nope", "-h", "--all", "", "main:web", "HEAD~7", "a b", "main..main", "\0", "\ud800", "x" * 200_000]
)
def test_what_is_no_commit_is_refused(source, revision):
    """The error names what was asked for and says what could be."""
    with pytest.raises(UsageError) as error:
        source.resolve(revision)
    assert repr(revision) in error.value.what
    assert "name a commit" in error.value.fix


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=20))
def test_any_text_resolves_or_is_refused(source, revision):
    """Nothing that is asked for ends in another kind of error."""
    with contextlib.suppress(UsageError):
        assert 40 == len(source.resolve(revision).id)


def test_a_commit_is_among_the_ancestors_of_newer_ones(source, repository):
    """Itself included; another line is not, and neither is a commit that the repository does not have."""
    first = source.resolve("HEAD").id
    repository.commit({"web/main.py": "print(2)\n"}, "second")
    second = source.resolve("HEAD").id
    repository.git("checkout", "-q", "-b", "other", first)
    repository.commit({"web/main.py": "print(3)\n"}, "third")
    other = source.resolve("HEAD").id
    asked = [(first, second), (first, first), (second, first), (second, other), ("f" * 40, first), (first, "f" * 40)]
    assert [True, True, False, False, False, False] == [source.is_in(*pair) for pair in asked]


def test_the_branch_is_the_one_checked_out(source, repository):
    """None on a detached head."""
    assert "main" == source.current_branch()
    repository.git("checkout", "-q", "--detach")
    assert None is source.current_branch()


def test_files_are_read_as_committed(source, repository):
    """What is changed and not committed is not seen."""
    (repository.folder / "shipway.yaml").write_text("dirty")
    commit = source.resolve("HEAD")
    assert b"app: x\n" == source.read(commit, "shipway.yaml")
    assert b"a" == source.read(commit, "./web/data/a.txt")
    assert (True, False) == (source.has(commit, "web/"), source.has(commit, "web/none"))


@pytest.mark.parametrize("path", ["none.txt", "web", "/etc/passwd", "../repository/shipway.yaml", "web/*", "a\0b"])
def test_what_is_no_committed_file_is_refused(source, path):
    """Missing files, folders, patterns and ways out of the repository."""
    with pytest.raises(UsageError):
        source.read(source.resolve("HEAD"), path)


def test_a_tree_is_named_by_its_content(source, repository):
    """Equal content, equal name: another commit elsewhere does not change it."""
    before = source.tree_id(source.resolve("HEAD"), "web")
    repository.commit({"other/file": "x"})
    assert before == source.tree_id(source.resolve("HEAD"), "./web/")
    repository.commit({"web/main.py": "print(2)\n"})
    assert before != source.tree_id(source.resolve("HEAD"), "web")
    assert 40 == len(source.tree_id(source.resolve("HEAD"), "."))
    with pytest.raises(UsageError, match="is not a folder"):
        source.tree_id(source.resolve("HEAD"), "shipway.yaml")


def test_an_export_is_the_committed_tree(source, repository, tmp_path):
    """No dirty change, no untracked file; programs stay executable."""
    (repository.folder / "web" / "run.sh").write_text("#!/bin/sh\n")
    (repository.folder / "web" / "run.sh").chmod(0o755)
    repository.commit({})
    (repository.folder / "web" / "main.py").write_text("dirty")
    (repository.folder / "web" / "untracked").write_text("x")
    source.export(source.resolve("HEAD"), "web", tmp_path / "out")
    files = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert {"main.py", "run.sh", "data/a.txt"} == files
    assert "print(1)\n" == (tmp_path / "out" / "main.py").read_text()
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)


def test_an_export_does_not_depend_on_the_commit(source, repository, tmp_path):
    """Attributes that put the commit into files are not followed."""
    repository.commit({"web/.gitattributes": "version export-subst\n", "web/version": "$Format:%H$\n"})
    source.export(source.resolve("HEAD"), "web", tmp_path / "out")
    assert "$Format:%H$\n" == (tmp_path / "out" / "version").read_text()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret"])
def test_links_that_lead_out_are_refused(source, repository, tmp_path, target):
    """A service is what its folder holds."""
    (repository.folder / "web" / "link").symlink_to(target)
    repository.commit({})
    with pytest.raises(UsageError, match="link"):
        source.export(source.resolve("HEAD"), "web", tmp_path / "out")


def test_links_inside_the_folder_are_kept(source, repository, tmp_path):
    """They are exported as links."""
    (repository.folder / "web" / "link").symlink_to("main.py")
    repository.commit({})
    source.export(source.resolve("HEAD"), "web", tmp_path / "out")
    assert "main.py" == str((tmp_path / "out" / "link").readlink())


def test_a_hook_s_variables_do_not_mislead(source, repository, tmp_path, monkeypatch):
    """Git sets GIT_DIR for its hooks; the repository asked for is read all the same."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert "first" == source.resolve("HEAD").subject


def test_a_folder_without_repository_is_named(tmp_path):
    """The fault says which folder and what to do."""
    with pytest.raises(ShipwayError, match="not a git repository") as error:
        GitSource(tmp_path)
    assert "git init" in error.value.fix


def test_a_repository_without_commits_says_so(repository):
    """There is nothing to deploy yet."""
    with pytest.raises(UsageError, match="no commits yet"):
        GitSource(repository.folder).resolve("HEAD")


def test_missing_git_is_named(source, repository, monkeypatch, tmp_path):
    """Without git on the PATH nothing can be read."""
    assert shutil.which("git")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ShipwayError, match="git is not on the PATH"):
        source.resolve("HEAD")
