"""The repository, read as committed."""

from __future__ import annotations

import contextlib
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.core.errors import ShipwayError, UsageError
from shipway.local.source.git_source import GitSource


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


@pytest.fixture
def inner(repository):
    """An app in a subfolder of its repository, which has folders of the same names above."""
    files = {"shipway.yaml": "app: inner\n", "web/main.py": "inner", "web/requirements.lock": ""}
    outer = {"shipway.yaml": "app: outer\n", "web/main.py": "outer"}
    repository.commit({**outer, **{f"apps/shop a/{name}": text for name, text in files.items()}})
    return GitSource(repository.folder / "apps" / "shop a")


def test_paths_are_relative_to_the_app_s_folder(inner, repository, tmp_path):
    """Where shipway.yaml lies in a subfolder, what is read, named and exported lies there, too."""
    commit = inner.resolve("main")
    assert b"app: inner\n" == inner.read(commit, "shipway.yaml")
    assert repository.git("rev-parse", "HEAD:apps/shop a/web") == inner.tree_id(commit, "web")
    assert repository.git("rev-parse", "HEAD:apps/shop a") == inner.tree_id(commit, ".")
    assert (True, False) == (inner.has(commit, "web/requirements.lock"), inner.has(commit, "apps"))
    inner.export(commit, "web", tmp_path / "out")
    assert "inner" == (tmp_path / "out" / "main.py").read_text()
    with pytest.raises(UsageError, match="has no apps/shop a/none"):
        inner.read(commit, "none")


def test_an_app_s_folder_reached_by_a_link_is_found(inner, repository, tmp_path):
    """The prefix in the repository is that of the real folder."""
    (tmp_path / "link").symlink_to(repository.folder / "apps")
    source = GitSource(tmp_path / "link" / "shop a")
    assert b"app: inner\n" == source.read(source.resolve("HEAD"), "shipway.yaml")


def test_a_committed_link_is_read_as_what_it_leads_to(repository):
    """A lock file or a description may be a link inside the app's folder; links out of it are refused."""
    repository.commit({"locks/web.lock": "content", "web/a": "", "web/x/b": ""})
    (repository.folder / "web" / "x" / "one.lock").symlink_to("../two.lock")
    (repository.folder / "web" / "two.lock").symlink_to("../locks/web.lock")
    (repository.folder / "web" / "out.lock").symlink_to("../../elsewhere")
    (repository.folder / "web" / "circle.lock").symlink_to("circle.lock")
    (repository.folder / "current").symlink_to("web")
    (repository.folder / "circle").symlink_to("circle")
    repository.commit({})
    source = GitSource(repository.folder)
    commit = source.resolve("HEAD")
    assert b"content" == source.read(commit, "web/x/one.lock")
    assert b"" == source.read(commit, "current/a")
    assert source.has(commit, "current/a")
    for path, message in {
        "web/out.lock": "leads out",
        "web/circle.lock": "not a file",
        "circle/a": "through circle, which is a link",
    }.items():
        with pytest.raises(UsageError, match=message):
            source.read(commit, path)
    with pytest.raises(UsageError, match="current is not a folder but a link"):
        source.tree_id(commit, "current")
    assert source.tree_id(commit, "web/x") == source.tree_id(commit, "current/x", links=True)


def test_what_is_not_committed_is_listed(inner, repository):
    """Changed, staged, removed and new files of the folders asked for; none when another commit is meant."""
    folder = repository.folder / "apps" / "shop a"
    (folder / "web" / "main.py").write_text("changed")
    (folder / "web" / "requirements.lock").unlink()
    (folder / "web" / "new file").write_text("")
    (repository.folder / "web" / "main.py").write_text("outside of the app")
    (folder / "notes").write_text("outside of what is asked for")
    commit = inner.resolve("HEAD")
    assert ["web/main.py", "web/new file", "web/requirements.lock"] == inner.uncommitted(
        commit, ["web", "shipway.yaml"]
    )
    repository.git("add", "-A")
    repository.git("checkout", "-q", "-b", "other")
    repository.commit({})
    assert [] == inner.uncommitted(commit, ["web"])


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
