"""What is built is what was committed."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from shipway.core.errors import ShipwayError, UsageError
from shipway.local.source import git_export
from shipway.local.source.git_source import GitSource

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n".format("ab" * 32)


@pytest.fixture
def export(repository, tmp_path):
    """Exports `web` as committed; answers the folder."""

    def export(**files):
        repository.commit({"web/main.py": "print(1)\n", **{f"web/{name}": text for name, text in files.items()}})
        return again()

    def again():
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        source = GitSource(repository.folder)
        source.export(source.resolve("HEAD"), "web", tmp_path / "out")
        return tmp_path / "out"

    export.again = again
    return export


@pytest.mark.parametrize(
    ("attributes", "content"),
    [
        ("data export-ignore", b"kept\n"),
        ("data export-subst", b"$Format:%H$\n"),
        ("data ident", b"$Id$\n"),
        ("data text eol=crlf", b"a\nb\n"),
        ("data working-tree-encoding=UTF-16", b"text\n"),
        ("data filter=upper", b"lower\n"),
    ],
)
def test_attributes_change_nothing(export, repository, attributes, content):
    """A file is exported with the bytes that were committed, whatever `.gitattributes` and filters make of it."""
    export()
    repository.git("config", "filter.upper.smudge", "tr a-z A-Z")
    repository.git("update-index", "--add", "--cacheinfo", f"100644,{_blob(repository, content)},web/data")
    (repository.folder / "web" / ".gitattributes").write_text(f"{attributes}\n")
    (repository.folder / ".git" / "info" / "attributes").write_text(f"{attributes}\n")
    repository.git("add", "web/.gitattributes")
    repository.git("commit", "-qm", "attributes")
    out = export.again()
    assert ({"main.py", "data", ".gitattributes"}, content) == (names(out), (out / "data").read_bytes())


def test_the_user_s_line_endings_change_nothing(export, monkeypatch, tmp_path):
    """`core.autocrlf` and attributes of the user's own apply to working copies, not to what is built."""
    (tmp_path / "attributes").write_text("* text eol=crlf export-ignore\n")
    (tmp_path / "gitconfig").write_text(f"[core]\nautocrlf = true\nattributesFile = {tmp_path}/attributes\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "gitconfig").rename(tmp_path / ".gitconfig")
    assert b"print(1)\n" == (export() / "main.py").read_bytes()


def test_modes_and_odd_names_are_kept(export, repository):
    """Programs stay programs; names with spaces, quotes, line feeds, upper and lower case, or no UTF-8 are kept."""
    odd = ["run.sh", "a b", 'q"uote', "line\nfeed", "Case", "case", os.fsdecode(b"latin-\xe9")]
    for name in odd:
        (repository.folder / "web").mkdir(exist_ok=True)
        (repository.folder / "web" / name).write_text(name.encode("utf-8", "replace").decode())
    (repository.folder / "web" / "run.sh").chmod(0o755)
    out = export()
    assert {*odd, "main.py"} == names(out)
    assert {"run.sh"} == {name for name in odd if os.access(out / name, os.X_OK)}


def test_a_submodule_is_refused_by_name_and_the_advice_works(export, repository, tmp_path):
    """The commit holds none of a submodule's files; who follows the advice gets them deployed."""
    export()
    _add_submodule(repository, tmp_path, "web/vendor/lib")
    with pytest.raises(UsageError, match="vendor/lib is a submodule, whose files are not part") as error:
        export.again()
    advice = error.value.fix.removeprefix("commit the files themselves: ").split(" (fetch")[0]
    advice = advice.replace("git commit", "git -c user.name=A -c user.email=a@example.com commit -qm files")
    subprocess.run(advice, shell=True, cwd=repository.folder, check=True, capture_output=True)
    assert "code = 1\n" == (export.again() / "vendor" / "lib" / "lib.py").read_text()


@pytest.mark.parametrize("service", ["lib", "lib/inner"])
def test_a_service_s_folder_in_a_submodule_is_called_one(export, repository, tmp_path, service):
    """The folder itself, or one above it, is a submodule: the message says so instead of `is not a folder`."""
    export()
    _add_submodule(repository, tmp_path, "lib")
    source = GitSource(repository.folder)
    with pytest.raises(UsageError, match="lib is a submodule"):
        source.export(source.resolve("HEAD"), service, tmp_path / "out")
    with pytest.raises(UsageError, match="lib is a submodule"):
        source.tree_id(source.resolve("HEAD"), service)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (POINTER, "is a Git LFS pointer"),
        ("/annex/objects/SHA256E-s5--ab.bin\n", "is a git-annex pointer"),
        (b"\0GITCRYPT\0abc", "is encrypted by git-crypt"),
    ],
)
def test_a_pointer_is_refused_by_name(export, content, kind):
    """What stands in for a file is not deployed in its place."""
    with pytest.raises(UsageError, match=rf"commit .*: web: ?.*models/m\.bin {kind}, not the file") as error:
        export(**{"models/m.bin": content})
    assert error.value.fix


def test_all_pointers_are_told_at_once(export):
    """So many files, so many names, up to five."""
    with pytest.raises(UsageError, match=r"web/0, web/1, web/2, web/3, web/4 and 2 more are each a Git LFS pointer"):
        export(**{str(n): POINTER for n in range(7)})


def test_a_pointer_s_advice_works(export, repository):
    """The content fetched and its pattern out of `.gitattributes`, `git add --renormalize` commits the file."""
    repository.git("config", "filter.lfs.clean", f"printf '{POINTER}'".replace("\n", "\\n"))
    with pytest.raises(UsageError, match=r"m\.bin is a Git LFS pointer") as error:
        export(**{"m.bin": "content", ".gitattributes": "*.bin filter=lfs\n"})
    (repository.folder / "web" / ".gitattributes").write_text("")
    advice = error.value.fix.split("then ")[1].split(" && git commit")[0]
    subprocess.run(advice, shell=True, cwd=repository.folder, check=True)
    repository.git("commit", "-qam", "the file itself")
    assert "content" == (export.again() / "m.bin").read_text()


def test_a_lock_or_description_that_is_a_pointer_is_refused(export, repository):
    """Single files that are read are held to the same."""
    repository.commit({"shipway.yaml": POINTER})
    source = GitSource(repository.folder)
    with pytest.raises(UsageError, match=r"shipway\.yaml is a Git LFS pointer"):
        source.read(source.resolve("HEAD"), "shipway.yaml")


def test_replaced_objects_are_not_followed(export, repository):
    """`git replace` and grafts are this clone's own: the commit's id stands for what was committed."""
    export(data="old")
    old = repository.git("rev-parse", "HEAD")
    export(data="new")
    repository.git("replace", "HEAD", old)
    assert "new" == (export.again() / "data").read_text()


def test_a_sparse_checkout_is_built_whole(export, repository):
    """What the working copy leaves out is in the commit."""
    export(data="x")
    repository.git("sparse-checkout", "set", "--no-cone", "/nothing")
    assert {"main.py", "data"} == names(export.again())


def test_a_partial_clone_fetches_what_it_lacks_or_says_so(export, repository, tmp_path):
    """Missing objects come from the remote; without it the message names the file."""
    export(data="x")
    repository.git("config", "uploadpack.allowFilter", "true")
    for name in ("whole", "lost"):
        clone = ["git", "clone", "-q", "--no-checkout", "--filter=blob:none", repository.folder.as_uri()]
        subprocess.run([*clone, str(tmp_path / name)], check=True, capture_output=True)
    source = GitSource(tmp_path / "whole")
    source.export(source.resolve("HEAD"), "web", tmp_path / "fetched")
    assert {"main.py", "data"} == names(tmp_path / "fetched")
    source = GitSource(tmp_path / "lost")
    subprocess.run(["git", "-C", str(tmp_path / "lost"), "remote", "set-url", "origin", "/nowhere"], check=True)
    with pytest.raises(ShipwayError, match=r"(?s)web: data cannot be read from the repository: .*nowhere"):
        source.export(source.resolve("HEAD"), "web", tmp_path / "not")


def test_links_through_links_do_not_lead_out(export, repository):
    """A link may look as if it stayed inside; where it leads once all links are there counts."""
    (repository.folder / "web" / "a" / "b").mkdir(parents=True)
    (repository.folder / "web" / "a" / "b" / "top").symlink_to("../..")
    export()
    (repository.folder / "web" / "out").symlink_to("a/b/top/../secret")
    with pytest.raises(UsageError, match="web/out is a link or path that leads out"):
        export()


def test_a_damaged_object_is_found(export, repository):
    """The files on disk are compared with the commit, one by one."""
    export(data="right")
    id = repository.git("rev-parse", "HEAD:web/data")
    wrong = _blob(repository, b"wrong")
    objects = repository.folder / ".git" / "objects"
    (objects / id[:2] / id[2:]).chmod(0o644)
    (objects / id[:2] / id[2:]).write_bytes((objects / wrong[:2] / wrong[2:]).read_bytes())
    with pytest.raises(ShipwayError, match="not what was committed: data") as error:
        export.again()
    assert "git fsck" in error.value.fix


def test_too_much_is_refused(export, monkeypatch):
    """Files and bytes are counted."""
    monkeypatch.setattr(git_export, "_MAX_BYTES", 20)
    with pytest.raises(UsageError, match="too large"):
        export(data="x" * 30)


def test_a_repository_with_long_ids_is_exported(tmp_path):
    """SHA-256 repositories are compared by their own digest."""
    folder = tmp_path / "long"
    subprocess.run(["git", "init", "-q", "--object-format=sha256", str(folder)], check=True)
    (folder / "web").mkdir()
    (folder / "web" / "a").write_text("a")
    for words in (["add", "-A"], ["-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    source = GitSource(folder)
    source.export(source.resolve("HEAD"), "web", tmp_path / "out")
    assert "a" == (tmp_path / "out" / "a").read_text()


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _blob(repository, content: bytes) -> str:
    done = subprocess.run(
        ["git", "-C", str(repository.folder), "hash-object", "-w", "--stdin"],
        input=content, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.decode().strip()


def _add_submodule(repository, tmp_path, path: str) -> None:
    other = type(repository)(tmp_path / "other")
    other.commit({"lib.py": "code = 1\n", "inner/main.py": ""})
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.folder), path)
    repository.git("commit", "-qm", "submodule")
