"""Which commit a name means: branches before tags, and a word wherever two things have the same name.

Git itself prefers a tag to a branch of the same name, so that a tag `main` would decide what is deployed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shipway.core.errors import UsageError
from shipway.local.source.git_command import Git, sane

_FULL_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ABBREVIATED = re.compile(r"[0-9a-f]{4,39}")
_UPSTREAM = re.compile(r"@\{(u|upstream|push)\}", re.IGNORECASE)
_LEFT = re.compile(r"@\{-[0-9]+\}")
_PARTS = re.compile(r"(.*?)((?:[~^:]|@\{).*)?", re.DOTALL)
_KINDS = (("refs/heads/", "branch"), ("refs/tags/", "tag"), ("refs/remotes/", "remote branch"))
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Named:
    """The commit's id, the branch that was named, and what else the name could have meant."""

    id: str
    branch: str | None
    note: str = ""


def resolve(git: Git, revision: str) -> Named:
    """The commit that a revision names. Raises UsageError when it names none, or several."""
    if not revision.strip() or revision[0] in "-^" or not sane(revision):
        raise UsageError(
            f"{revision!r} is not a revision", fix="name a commit, a branch or a tag, such as main or 1a2b3c4"
        )
    refs, rest = _refs(git, revision)
    meant = next(iter(refs), None)
    spec = revision if meant is None else meant + rest
    id = _commit(git, spec)
    if id is None:
        raise _unknown(git, revision)
    if meant is None:
        return Named(id, current_branch(git) if spec in ("HEAD", "@") else None)
    return Named(id, None if rest else _branch(git, meant), _note(git, revision.removesuffix(rest), refs))


def current_branch(git: Git) -> str | None:
    """The branch checked out, or None on a detached head."""
    # Not --short: where a tag has the branch's name, that is `heads/main`.
    name = git.line("symbolic-ref", "--quiet", "HEAD")
    return name.removeprefix("refs/heads/") if name else None


def _refs(git: Git, revision: str) -> tuple[list[str], str]:
    """The refs that the name in a revision fits, the one that is meant first; and what follows the name (`~1`)."""
    if left := _LEFT.match(revision):
        # The branch checked out before. Git goes on with its short name, and may meet a tag there.
        branch = git.line("check-ref-format", "--branch", left[0])
        return _known(git, [f"refs/heads/{branch}"]), revision[left.end() :]
    matched = _PARTS.fullmatch(revision)
    name, rest = (matched[1], matched[2] or "") if matched else (revision, "")
    if upstream := _UPSTREAM.match(rest):
        branch = name if name not in ("", "@", "HEAD") else current_branch(git)
        field = "push" if upstream[1].lower() == "push" else "upstream"
        ref = git.line("for-each-ref", f"--format=%({field})", f"refs/heads/{branch}")
        return _known(git, [ref] if ref else []), rest[upstream.end() :]
    if name in ("", "@", "HEAD") or _FULL_ID.fullmatch(name):
        return [], rest
    fitting = [name] if name.startswith("refs/") else []
    fitting += [f"refs/heads/{name}", f"refs/{name}", f"refs/remotes/{name}", f"refs/tags/{name}"]
    return _known(git, [*fitting, f"refs/remotes/{name}/HEAD"]), rest


def _known(git: Git, refs: list[str]) -> list[str]:
    if not refs:
        return []
    known = set(git.must("for-each-ref", "--format=%(refname)", *refs).decode("utf-8", "replace").splitlines())
    return [ref for ref in refs if ref in known]


def _commit(git: Git, spec: str) -> str | None:
    found = git.line("rev-parse", "--verify", "--quiet", "--end-of-options", f"{spec}^{{commit}}")
    return found if found and _FULL_ID.fullmatch(found) else None


def _branch(git: Git, ref: str) -> str | None:
    """The branch of a ref: a local one, or the one that a remote branch is of."""
    ref = git.line("symbolic-ref", "--quiet", ref) or ref
    if ref.startswith("refs/heads/"):
        return ref.removeprefix("refs/heads/")
    remotes = git.must("remote").decode("utf-8", "replace").splitlines()
    for remote in sorted(remotes, key=len, reverse=True):
        if ref.startswith(f"refs/remotes/{remote}/"):
            return ref.removeprefix(f"refs/remotes/{remote}/")
    return None


def _note(git: Git, name: str, refs: list[str]) -> str:
    """A sentence for a name that means two commits: which one was taken, and how to name the other."""
    meant = refs[0]
    id = _commit(git, meant)
    others = {ref: _commit(git, ref) for ref in refs[1:]}
    if _ABBREVIATED.fullmatch(name):
        others |= {f"commit {found}": found for found in _commits_beginning(git, name)}
    for other, commit in others.items():
        if id is not None and commit is not None and commit != id:
            kind, full = ("commit", commit) if other.startswith("commit ") else (_kind(other), other)
            return (
                f"{name} is the name of a {_kind(meant)} ({id[:7]}) and of a {kind} ({commit[:7]}); "
                f"the {_kind(meant)} is meant. The other one: shipway deploy {full}"
            )
    return ""


def _kind(ref: str) -> str:
    return next((kind for prefix, kind in _KINDS if ref.startswith(prefix)), "ref")


def _commits_beginning(git: Git, digits: str) -> list[str]:
    found = git.must("rev-parse", f"--disambiguate={digits}").decode().split()
    return [id for id in found[:_SHOWN] if git.line("cat-file", "-t", id) == "commit"]


def _unknown(git: Git, revision: str) -> UsageError:
    if _commit(git, "HEAD") is None:
        return UsageError(
            f"no commit {revision!r}: the repository has no commits yet",
            fix="commit the app: git add -A && git commit",
        )
    if _ABBREVIATED.fullmatch(revision) and len(several := _commits_beginning(git, revision)) > 1:
        return UsageError(
            f"{revision!r} is the beginning of {len(several)} commits: {', '.join(id[:12] for id in several)}",
            fix="name a commit by more of its digits",
        )
    listed = git.must("for-each-ref", f"--count={_SHOWN}", "--format=%(refname:lstrip=2)", "refs/heads").decode()
    branches = ", ".join(listed.split()) or "none"
    return UsageError(
        f"no commit {revision!r} in {git.folder}",
        fix=f"name a commit, a tag or a branch (branches: {branches}); fetch it first when it is elsewhere",
    )
