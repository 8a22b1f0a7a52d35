"""Which commit a name means."""

from __future__ import annotations

import subprocess

import pytest

from shipway.core.errors import UsageError
from shipway.local.source.git_source import GitSource


@pytest.fixture
def source(repository):
    """Two commits on main, the older one tagged `main` as well."""
    repository.commit({"a": "1"}, "old")
    repository.commit({"a": "2"}, "new")
    repository.git("tag", "main", "HEAD~1")
    return GitSource(repository.folder)


def subject(source, revision: str) -> tuple[str, str | None]:
    commit = source.resolve(revision)
    return commit.subject, commit.branch


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        ("main", ("new", "main")),
        ("heads/main", ("new", "main")),
        ("refs/heads/main", ("new", "main")),
        ("tags/main", ("old", None)),
        ("refs/tags/main", ("old", None)),
        ("HEAD", ("new", "main")),
        ("@", ("new", "main")),
        ("main~1", ("old", None)),
        ("main^{commit}", ("new", None)),
        ("main@{0}", ("new", None)),
        ("HEAD~1", ("old", None)),
    ],
)
def test_a_branch_comes_before_a_tag_of_its_name(source, revision, expected):
    """Git takes the tag; here the branch is meant, and expressions build on the branch, too."""
    assert expected == subject(source, revision)


def test_what_was_meant_is_said_where_two_fit(source, repository):
    """The note names both commits and how to have the other one; where both are the same there is nothing to say."""
    new, old = source.resolve("HEAD").short, source.resolve("HEAD~1").short
    expected = (
        f"main is the name of a branch ({new}) and of a tag ({old}); the branch is meant. "
        "The other one: shipway deploy refs/tags/main"
    )
    assert expected == source.resolve("main").note
    repository.git("tag", "-f", "main", "main@{0}")
    assert "" == source.resolve("main").note


def test_an_annotated_tag_of_the_branch_s_name_is_a_tag(source, repository):
    """It is followed to its commit."""
    repository.git("tag", "-f", "-m", "annotated", "main", "refs/heads/main~1")
    assert ("new", "main") == subject(source, "main")
    assert ("old", None) == subject(source, "tags/main")


def test_the_branch_checked_out_is_named_in_spite_of_a_tag(source):
    """Plain `deploy` goes where the branch goes: it is `main`, not `heads/main`."""
    assert "main" == source.current_branch()


def test_a_branch_may_look_like_a_ref_or_a_commit(source, repository):
    """The branch is taken, and the note names what git would have taken."""
    repository.git("branch", "heads/main", "HEAD~1")
    assert ("old", "heads/main") == subject(source, "heads/main")
    assert "refs/heads/main" in source.resolve("heads/main").note
    digits = source.resolve("HEAD").id[:8]
    repository.git("branch", digits, "HEAD~1")
    assert ("old", digits) == subject(source, digits)
    assert f"and of a commit ({digits[:7]})" in source.resolve(digits).note
    assert "new" == source.resolve(source.resolve("HEAD").id).subject


def test_a_full_id_is_never_a_branch(source, repository):
    """An id stands for its commit, whatever a branch is called."""
    new, old = source.resolve("HEAD").id, source.resolve("HEAD~1").id
    repository.git("update-ref", f"refs/heads/{new}", old)
    assert ("new", None) == subject(source, new)


def test_a_remote_branch_goes_where_its_branch_goes(source, repository, tmp_path):
    """`origin/develop` is of the branch `develop`, and so is the upstream of the branch checked out."""
    repository.git("branch", "develop", "HEAD~1")
    subprocess.run(["git", "clone", "-q", str(repository.folder), str(tmp_path / "clone")], check=True)
    clone = GitSource(tmp_path / "clone")
    for revision in ("origin/develop", "remotes/origin/develop", "refs/remotes/origin/develop"):
        assert ("old", "develop") == subject(clone, revision)
    for revision in ("origin", "origin/HEAD", "@{u}", "main@{upstream}"):
        assert ("new", "main") == subject(clone, revision)


@pytest.mark.parametrize(
    "revision", ["", " ", "\t", "-main", "--all", "^main", "main..HEAD", "main:a", "@{-1}", "main "]
)
def test_what_names_no_commit_is_a_usage_error(source, revision):
    """Nothing at all, too: an empty variable in a script must not deploy the newest commit."""
    with pytest.raises(UsageError):
        source.resolve(revision)


def test_the_branch_that_was_left_is_named_by_its_place(source, repository):
    """`@{-1}` is the branch checked out before, not the tag of its name."""
    repository.git("checkout", "-q", "-b", "develop", "HEAD~1")
    assert ("new", "main") == subject(source, "@{-1}")
    assert ("old", None) == subject(source, "@{-1}~1")


def test_an_upstream_is_the_remote_branch_not_a_tag_of_its_name(source, repository, tmp_path):
    """A tag may be called `origin/main`, too: it comes after every branch."""
    subprocess.run(["git", "clone", "-q", str(repository.folder), str(tmp_path / "clone")], check=True)
    subprocess.run(["git", "-C", str(tmp_path / "clone"), "tag", "origin/main", "HEAD~1"], check=True)
    clone = GitSource(tmp_path / "clone")
    assert [("new", "main")] * 2 == [subject(clone, "@{u}"), subject(clone, "main@{u}")]
    assert ("new", "main") == subject(clone, "origin/main")
    assert "of a remote branch" in clone.resolve("origin/main").note


def test_the_beginning_of_several_commits_is_told_apart(repository):
    """The message names the commits that begin so."""
    # Of a thousand commits some share their first four digits. The dates are fixed, so these are always the same.
    commit = "commit refs/heads/main\ncommitter A <a@example.com> {} +0000\ndata 1\nx\n"
    subprocess.run(
        ["git", "-C", str(repository.folder), "fast-import", "--quiet"],
        input="".join(commit.format(n) for n in range(1000)).encode(), check=True,
    )  # fmt: skip
    beginnings = [id[:4] for id in repository.git("rev-list", "--all").split()]
    digits = next(digits for digits in beginnings if beginnings.count(digits) == 2)
    with pytest.raises(UsageError, match=f"'{digits}' is the beginning of 2 commits") as error:
        GitSource(repository.folder).resolve(digits)
    assert "name a commit by more of its digits" == error.value.fix
