"""The committed files of which an image is built, and the tag that names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.buildspecs.repositories import commit, git, run, tag


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A repository: `web` has a link into `shared/rules`, and two that stay in it."""
    app = tmp_path / "app"
    (app / "web" / "src").mkdir(parents=True)
    (app / "shared" / "rules").mkdir(parents=True)
    (app / "shared" / "rules" / "limits.py").write_text("LIMIT = 3\n")
    (app / "shared" / "rules" / "more.py").symlink_to("limits.py")
    (app / "web" / "start.sh").write_text("#!/bin/sh\n")
    (app / "web" / "start.sh").chmod(0o755)
    (app / "web" / "src" / "rules").symlink_to("../../shared/rules")
    (app / "web" / "begin").symlink_to("start.sh")
    git(app, "init", "--quiet")
    commit(app)
    return app


def test_tag_is_the_folders_git_tree(app: Path) -> None:
    """Whoever has the commit can say which image belongs to it."""
    assert git(app, "rev-parse", "HEAD:web") == tag(app, "web")
    assert git(app, "rev-parse", "HEAD^{tree}") == tag(app, ".")


def test_tag_follows_what_is_included_and_nothing_else(app: Path) -> None:
    """A change of an included folder is a change of the image; a change beside it is none."""
    before = tag(app, "web", "shared/rules")
    (app / "README").write_text("new\n")
    commit(app)
    assert before == tag(app, "web", "shared/rules")
    (app / "shared" / "rules" / "limits.py").write_text("LIMIT = 4\n")
    assert before == tag(app, "web", "shared/rules")
    commit(app)
    assert before != tag(app, "web", "shared/rules")


def test_copy_has_files_in_the_place_of_links_that_lead_out(app: Path, tmp_path: Path) -> None:
    """As committed, whatever lies in the folder beside it; links that stay in a folder stay links."""
    (app / "web" / "notes.txt").write_text("not committed\n")
    copy = tmp_path / "copy"
    done = run(app, "copy", str(copy), "web", "shared/rules")
    assert (0, "") == (done.returncode, done.stderr)
    assert ["begin", "src", "src/rules", "src/rules/limits.py", "src/rules/more.py", "start.sh"] == sorted(
        str(path.relative_to(copy)) for path in copy.rglob("*")
    )
    assert not (copy / "src" / "rules").is_symlink()
    assert "LIMIT = 3\n" == (copy / "src" / "rules" / "more.py").read_text()
    assert "start.sh" == str((copy / "begin").readlink())
    assert 0o755 == (copy / "start.sh").stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["web"], "put that into `include`"),
        (["web", "shared/rules", "shared/other"], "HEAD holds no folder shared/other"),
        (["nothing"], "HEAD holds no folder nothing"),
        (["web/start.sh"], "HEAD holds no folder web/start.sh"),
        (["shared", "web"], "no link in shared leads into web, which it includes"),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_is_written(
    app: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    """A dangling link, or a folder that is not there, would be found by the first request otherwise."""
    copy = tmp_path / "copy"
    done = run(app, "copy", str(copy), *words)
    assert 1 == done.returncode
    assert said in done.stderr
    assert not copy.exists()


def test_circle_and_submodule_are_refused(app: Path, tmp_path: Path) -> None:
    """Neither has files that could be copied."""
    (app / "shared" / "rules" / "back").symlink_to("../../web")
    commit(app)
    done = run(app, "copy", str(tmp_path / "copy"), "web", "shared/rules", "web")
    assert "leads in a circle" in done.stderr
    git(app, "update-index", "--add", "--cacheinfo", f"160000,{git(app, 'rev-parse', 'HEAD')},web/other")
    git(app, "commit", "--quiet", "--message", "a submodule")
    assert "web/other is a submodule" in run(app, "copy", str(tmp_path / "copy"), "web", "shared/rules").stderr
