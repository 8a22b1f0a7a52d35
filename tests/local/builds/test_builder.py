"""Builds from real repositories."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from shipway.core.description.app import Service
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.releases.release import Artifact, BakedModel
from shipway.local.builds.address import address_of
from shipway.local.builds.builder import LocalBuilder
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.source.git_source import GitSource
from tests.nearly_full_disk import little_room
from tests.waiting import wait_for

SLEEP = f"612.{os.getpid()}"
"""So many seconds, which tell the sleepers of this process from all others of the machine."""
PASSING = "python -m unittest discover -s tests -t ."
TEST = (
    "import unittest, app\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(1, app.answer)\n"
)
FILES: dict[str, str | bytes] = {
    "web/src/app.py": "answer = 1\n",
    "web/tests/__init__.py": "",
    "web/tests/test_app.py": TEST,
}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / ".shipway"


@pytest.fixture
def source(repository):
    repository.commit(FILES)
    return GitSource(repository.folder)


@pytest.fixture
def builder(folder, source):
    confinement = Confinement.of_machine(folder.parent)
    return LocalBuilder(folder, source, PythonEnvironments(folder / "environments"), confinement, test_timeout=300)


def service(**keys) -> Service:
    return Service.model_validate({"path": "web", "command": "python -m app", "lock": "none", "routes": ["/*"]} | keys)


@pytest.fixture
def build(builder, source):
    """Builds the head of the branch; progress lines go to `build.told`."""

    def build(revision: str = "HEAD", **keys):
        return builder.build(source.resolve(revision), "web", service(**keys), build.told.append)

    build.told = []
    return build


def tree_of(artifact: Artifact) -> Path:
    """The built tree."""
    return Path(address_of(artifact).tree)


def test_an_artifact_is_the_committed_tree(build, repository):
    """Dirty and untracked files are not in it."""
    (repository.folder / "web" / "src" / "app.py").write_text("answer = 2\n")
    (repository.folder / "web" / "untracked").write_text("")
    artifact = build(test=PASSING)
    tree = tree_of(artifact)
    assert "answer = 1\n" == (tree / "src" / "app.py").read_text()
    assert not (tree / "untracked").exists()
    assert ("web", "", 64) == (artifact.service, address_of(artifact).environment, len(artifact.digest))
    assert artifact.digest == tree.parent.name


def test_progress_is_told(build):
    """One line when the tests start, one when the artifact is there."""
    artifact = build(test=PASSING)
    assert [f"web: testing with `{PASSING}`", f"web: built {artifact.short} in"] == [
        build.told[0],
        build.told[1].rsplit(" ", 2)[0],
    ]


def test_tests_get_the_service_s_variables(build, folder, source):
    """As its tasks do, with placeholders filled: the folders end with the tests, the environment is called test."""
    shows = "import json, os, pathlib; print(json.dumps(dict(os.environ))); pathlib.Path(os.environ['D'], 'x').touch()"
    env = {"PLAIN": "a b c", "D": "{data}", "M": "file://{bucket}/m", "B": "{buckets}", "E": "{environment}"}
    build(test=f'python -c "{shows}"', env=env | {"P": "{port}"})
    log = folder / "builds" / f"{source.resolve('HEAD').short}-web.log"
    got = json.loads(log.read_text().splitlines()[-1])
    home = got["HOME"]
    expected = {
        "PLAIN": "a b c",
        "D": f"{home}/data",
        "M": f"file://{home}/bucket/m",
        "B": f"{home}/buckets",
        "E": "test",
    }
    assert expected == {name: got[name] for name in env}
    assert 1024 < int(got["P"]) < 65536
    assert not Path(home, "data").exists()


def test_other_variables_are_tested_anew(build):
    """What the tests depend on has changed, though the tree has not."""
    build(test=PASSING, env={"A": "1"})
    build.told.clear()
    build(test=PASSING, env={"A": "2"})
    assert [f"web: testing with `{PASSING}`"] == [line for line in build.told if "testing" in line]


def test_failing_tests_make_no_artifact(build, repository, folder):
    """The refusal shows the last lines and where the whole log is."""
    commit = repository.commit({"web/src/app.py": "answer = 2\n"})
    with pytest.raises(
        Refused, match=r"(?s)web at .* failed its tests: exit code 1: AssertionError: 1 != 2\n.*FAILED"
    ) as error:
        build(test=PASSING)
    log = folder / "builds" / f"{commit[:7]}-web.log"
    assert str(log) in error.value.fix
    assert "AssertionError: 1 != 2" in log.read_text()
    assert [] == [path for path in (folder / "artifacts").iterdir() if path.is_dir()]


def test_an_unchanged_tree_is_not_built_again(build, repository, source):
    """Not at another commit, not on another branch: it answers the artifact it has, and no test runs."""
    first = build(test=PASSING)
    repository.git("checkout", "-q", "-b", "develop")
    repository.commit({"other/file": "x"})
    build.told.clear()
    assert first == build("develop", test=PASSING)
    assert [f"web: unchanged, {first.short}"] == build.told


def test_another_tree_is_another_artifact(build, repository):
    """Both stay."""
    first = build()
    repository.commit({"web/src/app.py": "answer = 3\n"})
    second = build()
    assert first.digest != second.digest
    assert tree_of(first).exists()
    assert tree_of(second).exists()


def test_another_lock_is_another_artifact(build, repository, make_wheel):
    """The runtime environment is part of an artifact's content, and the tests run in it."""
    bare = build()
    repository.commit({"web/requirements.lock": make_wheel("tiny", "answer = 42\n")})
    locked = build(lock="requirements.lock", test="python -c 'import tiny, app; assert tiny.answer == 42'")
    assert bare.digest != locked.digest
    assert Path(address_of(locked).environment, "bin", "python").exists()


def test_what_is_included_is_part_of_the_artifact(build, builder, repository):
    """Tests and tasks see its files where the link is; a change of it alone is another artifact, tested anew."""
    repository.commit({"shared/rules.py": "limit = 1\n", "other.py": ""})
    (repository.folder / "web" / "src" / "shared").symlink_to("../../shared")
    repository.commit({})
    keys = {"include": ["shared"], "test": "python -c 'import sys; import shared.rules as r; sys.exit(r.limit > 2)'"}
    with pytest.raises(UsageError, match="src/shared is a link or path that leads out"):
        build()
    first = build(**keys)
    rules = tree_of(first) / "src" / "shared" / "rules.py"
    assert ("limit = 1\n", False) == (rules.read_text(), rules.parent.is_symlink())
    builder.verify(first)
    repository.commit({"other.py": "changed"})
    build.told.clear()
    assert first == build(**keys)
    assert [f"web: unchanged, {first.short}"] == build.told
    repository.commit({"shared/rules.py": "limit = 2\n"})
    second = build(**keys)
    assert (False, "limit = 2\n") == (
        first.digest == second.digest,
        (tree_of(second) / "src" / "shared" / "rules.py").read_text(),
    )
    repository.commit({"shared/rules.py": "limit = 3\n"})
    with pytest.raises(Refused, match="failed its tests"):
        build(**keys)


def test_tests_have_a_lock_of_their_own(build, repository, make_wheel):
    """`requirements-test.lock` is taken when the folder has it; `test_lock` names another."""
    repository.commit(
        {"web/requirements-test.lock": make_wheel("tester", ""), "web/other.lock": make_wheel("other", "")}
    )
    artifact = build(test="python -c 'import tester, app'")
    assert "" == address_of(artifact).environment
    build(test="python -c 'import other, app'", test_lock="other.lock")
    with pytest.raises(Refused, match="No module named 'tester'"):
        build(test="python -c 'import tester'", test_lock="none")


def test_new_tests_are_run_on_a_known_tree(build):
    """A test command added later is not skipped because the artifact is there already."""
    first = build()
    with pytest.raises(Refused, match="exit code 9"):
        build(test="python -c 'raise SystemExit(9)'")
    assert first == build(test=PASSING)
    assert f"web: unchanged, {first.short} passed its new tests" == build.told[-1]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"lock": "requirements.lock"}, "has no lock file web/requirements.lock"),
        ({"test": "true", "test_lock": "missing.lock"}, "has no lock file web/missing.lock"),
        ({"path": "nowhere"}, "has no nowhere"),
        ({"path": "web/src/app.py"}, "is not a folder"),
        ({"test": "no-such-program"}, "cannot be started: .*No such file"),
    ],
)
def test_what_is_missing_is_named(build, keys, message):
    """Mistakes in shipway.yaml or in the folder are usage errors with a way out."""
    with pytest.raises(UsageError, match=message) as error:
        build(**keys)
    assert error.value.fix


@pytest.mark.parametrize("key", ["command", "before_traffic"])
def test_a_program_that_the_environment_lacks_is_named_before_anything_runs(build, repository, make_wheel, key):
    """Once the environment is made, it shows what its lock file brought."""
    repository.commit({"web/requirements.lock": make_wheel("tiny", "")})
    with pytest.raises(UsageError, match=f"web: `{key}` cannot run: there is no program gunicorn") as error:
        build(lock="requirements.lock", **{key: "gunicorn app"})
    assert "add the package that brings gunicorn to the lock file" in error.value.fix
    build(lock="requirements.lock", **{key: "env python -m app"})


def test_tests_see_a_clean_environment(build, monkeypatch, folder):
    """Nothing of ours gets in; home and temporary files are their own; the copy may be written to."""
    monkeypatch.setenv("SECRET", "x")
    code = "import os, app; assert 'SECRET' not in os.environ; open('here', 'w'); print(sorted(os.environ.keys() - {'PWD'}))"
    artifact = build(test=f'python -c "{code}"')
    (log,) = (folder / "builds").iterdir()
    names = "['HOME', 'LANG', 'PATH', 'PYTHONNOUSERSITE', 'PYTHONPATH', 'PYTHONUNBUFFERED', 'SHIPWAY_BUILD', 'TMPDIR']"
    assert names == log.read_text().strip()
    assert not (tree_of(artifact) / "here").exists()


def test_tests_are_bounded_in_time(folder, source):
    """Tests that hang are ended, with all they started."""
    builder = LocalBuilder(
        folder, source, PythonEnvironments(folder / "environments"), Confinement(folder), test_timeout=0.5
    )
    command = f'python -c \'import subprocess; subprocess.run(["sleep", "{SLEEP}"])\''
    with pytest.raises(Refused, match=r"not done within 0\.5 s"):
        builder.build(source.resolve("HEAD"), "web", service(test=command), print)
    assert [] == sleepers()


def test_what_tests_leave_running_is_ended(build):
    """A background process of a passing test does not stay."""
    build(test=f'python -c \'import subprocess; subprocess.Popen(["sleep", "{SLEEP}"], start_new_session=True)\'')
    assert [] == sleepers()


def sleepers() -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", SLEEP]]


def test_a_tree_is_compiled_and_read_only(build):
    """A task starts from bytecode and finds nothing that it could write to."""
    artifact = build(test=PASSING)
    tree = tree_of(artifact)
    assert list((tree / "src" / "__pycache__").glob("app.*.pyc"))
    assert [] == [path for path in (tree, *tree.rglob("*")) if path.stat().st_mode & 0o222]


def test_files_that_are_no_python_do_not_stop_a_build(build, repository):
    """Templates may end in .py."""
    repository.commit({"web/template.py": "{{ not python }}"})
    assert (tree_of(build()) / "template.py").exists()


@pytest.mark.parametrize("change", ["edit", "add", "remove", "link"])
def test_tampering_is_detected(build, builder, change):
    """Any change after the build is refused, and the next build makes it good."""
    artifact = build(test=PASSING)
    builder.verify(artifact)
    file = tree_of(artifact) / "src" / "app.py"
    for path in (file, file.parent):
        path.chmod(0o755)
    if change == "edit":
        file.write_text("answer = 6\n")
    elif change == "add":
        (file.parent / "more.py").write_text("")
    else:
        file.unlink()
        if change == "link":
            file.symlink_to("/etc/passwd")
    with pytest.raises(Refused, match=r"was changed on disk after its build: src/(app|more)\.py"):
        builder.verify(artifact)
    assert artifact == build(test=PASSING)
    assert "was damaged" in build.told[-2]
    builder.verify(artifact)


def test_a_missing_artifact_is_refused(build, builder):
    """An artifact that is gone does not pass for a good one."""
    artifact = build()
    tree_of(artifact).parent.rename(tree_of(artifact).parent.with_name("elsewhere"))
    with pytest.raises(Refused, match="is not in"):
        builder.verify(artifact)


BUILD = """
import sys
from collections.abc import Iterator
from pathlib import Path
from shipway.core.description.app import Service
from shipway.local.builds.builder import LocalBuilder
from shipway.local.builds.confinement import Confinement
from shipway.local.source.git_source import GitSource
from shipway.local.builds.python_environment import PythonEnvironments

folder, repository, test = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
source = GitSource(repository)
builder = LocalBuilder(folder, source, PythonEnvironments(folder / "environments"), Confinement.of_machine(folder))
service = Service(path="web", command="python -m app", lock="none", test=test)
print(builder.build(source.resolve("HEAD"), "web", service, lambda line: print(line, flush=True)).digest)
"""


def building(folder, repository, test) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", BUILD, str(folder), str(repository.folder), test]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_two_builds_at_once_make_one_artifact(folder, repository, source):
    """The second process waits for the first and takes what it made."""
    with building(folder, repository, PASSING) as one, building(folder, repository, PASSING) as two:
        said = [one.communicate(timeout=60)[0], two.communicate(timeout=60)[0]]
    assert 1 == len({text.splitlines()[-1] for text in said})
    assert ["built", "unchanged,"] == sorted(text.splitlines()[-2].split()[1] for text in said)


def test_threads_build_side_by_side(build):
    """Builds in threads of one program do not get in each other's way."""
    made = []
    threads = [threading.Thread(target=lambda: made.append(build(test=PASSING))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 == len(set(made)) == len(made) - 2


def test_a_killed_build_leaves_nothing_behind(folder, repository, source, build):
    """After `kill -9` in the middle of the tests the next build ends what was left and starts afresh."""
    test = "python -c 'import time; time.sleep(614)'"
    with building(folder, repository, test) as killed:
        assert killed.stdout is not None
        assert "testing" in killed.stdout.readline()
        wait_for(lambda: marked_children(folder))
        killed.kill()
    artifact = build(test=PASSING)
    assert [] == marked_children(folder)
    assert ["artifact.json", "passed", "tree"] == sorted(path.name for path in tree_of(artifact).parent.iterdir())


def marked_children(folder) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in process.environ().get("SHIPWAY_BUILD", ""):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_the_record_names_every_file(build, source):
    """artifact.json holds the digest of each file, and where the artifact came from."""
    artifact = build()
    stored = json.loads(tree_of(artifact).with_name("artifact.json").read_text())
    assert (artifact.digest, source.resolve("HEAD").id, "web") == (
        stored["digest"],
        stored["commit"],
        stored["service"],
    )
    assert {"src/app.py", "tests/__init__.py", "tests/test_app.py"} <= stored["files"].keys()


def test_a_service_may_be_the_whole_repository(build, repository):
    """`path: .` is the root."""
    assert (tree_of(build(path=".")) / "web" / "src" / "app.py").exists()


def test_a_service_lies_in_the_app_s_folder(folder, repository):
    """Wherever in its repository shipway.yaml lies: tree, lock and test lock are looked up beside it."""
    repository.commit({f"apps/shop/{name}": text for name, text in FILES.items()})
    repository.commit({"apps/shop/web/requirements.lock": "", "apps/shop/web/requirements-test.lock": ""})
    source = GitSource(repository.folder / "apps" / "shop")
    builder = LocalBuilder(
        folder, source, PythonEnvironments(folder / "environments"), Confinement(folder), test_timeout=30
    )
    artifact = builder.build(source.resolve("HEAD"), "web", service(test=PASSING, lock="requirements.lock"), print)
    assert "answer = 1\n" == (tree_of(artifact) / "src" / "app.py").read_text()


def test_the_user_s_own_settings_do_not_reach_git(build, repository, monkeypatch, tmp_path):
    """Line endings are as committed, whatever the user configured."""
    (tmp_path / "gitconfig").write_text("[core]\n\tautocrlf = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.fspath(tmp_path / "gitconfig"))
    assert b"answer = 1\n" == (tree_of(build()) / "src" / "app.py").read_bytes()


def bake(version: str = "v1.0", model: bytes = b"tree", digest: str | None = None) -> dict[str, str | bytes]:
    """The files of a model that lies in the service."""
    found = digest or hashlib.sha256(model).hexdigest()
    metadata = {"version": version, "model_file": "model.txt", "files": {"model.txt": {"sha256": found}}}
    return {"web/models/metadata.json": json.dumps(metadata), "web/models/model.txt": model}


def test_an_artifact_names_the_model_that_is_baked_in(build, repository):
    """Another version is another artifact; a service that does not say so has none."""
    repository.commit(bake())
    one = build(baked="models")
    assert BakedModel("v1.0", hashlib.sha256(b"tree").hexdigest()) == one.model
    assert None is build().model
    repository.commit(bake("v1.1", b"other tree"))
    two = build(baked="models")
    assert two.model is not None
    assert "v1.1" == two.model.version
    assert one.digest != two.digest
    assert two == build(baked="models")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"web has no models/metadata\.json, the model that is baked in"),
        ({"web/models/metadata.json": "{"}, r"models/metadata\.json is no model's metadata"),
        ({"web/models/metadata.json": '{"version": "v1.0"}'}, "no model's metadata: 'model_file'"),
        ({**bake(), "web/models/model.txt": b"x"}, r"models/model\.txt has sha256 [0-9a-f]{12}…, its metadata says"),
        (bake("latest"), "version 'latest'"),
    ],
)
def test_a_baked_model_is_checked(build, repository, files, message):
    """What is missing or damaged is refused at the build, with the command that mends it."""
    repository.commit(files or {"web/models/README.md": "empty"})
    with pytest.raises(Refused, match=message) as refused:
        build(baked="models")
    assert "shipway model bake VERSION --service web, and commit" == refused.value.fix


@pytest.mark.parametrize("room", [0, 100, 5_000, 60_000])
def test_a_full_disk_leaves_no_half_artifact(build, folder, repository, room):
    """Whenever the disk is full, the build fails and names no artifact; with room again, the same commit is built."""
    repository.commit({"web/src/data.py": "x = 1\n" * 20_000})
    with little_room(room), pytest.raises((OSError, ShipwayError)):
        build()
    assert [] == [path for path in (folder / "artifacts").glob("*") if (path / "artifact.json").exists()]
    artifact = build()
    assert 120_000 == (tree_of(artifact) / "src" / "data.py").stat().st_size
