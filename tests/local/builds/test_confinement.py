"""What a commit's own code can reach before anybody has approved it."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import json
import os
import resource
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.builds.service_tests import run_tests

LOOK = """
import json, os, socket, sys

def attempt(what):
    try:
        return what()
    except Exception as error:
        return type(error).__name__

def connect(family, address):
    with socket.socket(family) as one:
        one.settimeout(2)
        one.connect(address)
    return "connected"

def own_loopback():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        return connect(socket.AF_INET, server.getsockname())

aims = json.loads(sys.argv[1])
print(json.dumps({
    "state": attempt(lambda: open(aims["state"]).read()),
    "written": attempt(lambda: open(aims["state"] + ".new", "w").close()),
    "listed": attempt(lambda: os.listdir(aims["folder"])),
    "home": attempt(lambda: open(aims["home"]).read()),
    "socket": attempt(lambda: connect(socket.AF_UNIX, aims["socket"])),
    "port": attempt(lambda: connect(socket.AF_INET, ("127.0.0.1", aims["port"]))),
    "environ": attempt(lambda: open(f"/proc/{aims['pid']}/environ").read()),
    "shadow": attempt(lambda: open("/etc/shadow").read()),
    "system": attempt(lambda: open("/usr/written", "w").close()),
    "loopback": attempt(own_loopback),
    "tree": attempt(lambda: open("here", "w").close()),
    "user": os.getuid(),
}))
"""
NOTHING = ("FileNotFoundError", "PermissionError")


@pytest.fixture
def confinement(tmp_path: Path) -> Confinement:
    """The machine's own, for the app in `tmp_path`."""
    found = Confinement.of_machine(tmp_path)
    if not found.works:
        pytest.skip(found.why_not)
    return found


def test_a_test_command_reaches_its_tree_and_nothing_of_shipways(
    confinement: Confinement, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Not the state, the daemon's socket and ports, its environment, the home: it can't approve its own run."""
    state = tmp_path / ".shipway" / "state.db"
    tree = tmp_path / ".shipway" / "artifacts" / ".work" / "test"
    tree.mkdir(parents=True)
    state.write_text("roles")
    key = tmp_path_factory.mktemp("home") / "id_ed25519"
    key.write_text("private")
    (tree / "look.py").write_text(LOOK)
    with tempfile.TemporaryDirectory(prefix="sw-") as runtime, socket.socket(socket.AF_UNIX) as daemon:
        address = str(Path(runtime, "daemon.sock"))
        daemon.bind(address)
        daemon.listen()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            aims = {
                "state": str(state), "folder": str(tmp_path), "home": str(key), "socket": address,
                "port": listener.getsockname()[1], "pid": os.getpid(),
            }  # fmt: skip
            log = tmp_path / "log"
            wrong = run_tests(
                f"{os.path.realpath(sys.executable)} look.py '{json.dumps(aims)}'",
                tree,
                variables={"PATH": "/usr/bin:/bin"},
                env={},
                readable=[],
                confinement=confinement,
                mark=str(tree),
                log=log,
                timeout=120,
            )
    assert wrong is None, log.read_text()
    found = json.loads(log.read_text())
    assert {"state", "home", "socket", "environ", "shadow"} == {name for name, said in found.items() if said in NOTHING}
    # The root of the app is an empty folder that leads to the tree, and what is written there is nowhere.
    assert ([".shipway"], ["roles"]) == (found["listed"], [state.read_text()])
    assert not state.with_name("state.db.new").exists()
    assert "ConnectionRefusedError" == found["port"]
    assert "OSError" == found["system"]
    assert ("connected", None, 1000) == (found["loopback"], found["tree"], found["user"])


def test_confinement_costs_milliseconds(confinement: Confinement, tmp_path: Path) -> None:
    """A build is not slower for it: what a few starts cost the processor, against the bare ones."""

    def best(argv: list[str]) -> float:
        def once() -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(argv, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

        return min(once() for _ in range(5))

    assert best(confinement.around(["/bin/true"], scratch=tmp_path)) < best(["/bin/true"]) + 0.2


def test_a_machine_without_bubblewrap_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run as they are, and it is known why."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = Confinement.of_machine(tmp_path)
    assert (False, "bubblewrap (bwrap) is not installed") == (found.works, found.why_not)
    assert ["true"] == found.around(["true"], scratch=tmp_path)


def test_a_bubblewrap_that_may_not_make_namespaces_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own words are kept for the doctor."""
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = Confinement.of_machine(tmp_path)
    said = "bubblewrap does not work here: bwrap: No permissions to create new namespace"
    assert (False, said) == (found.works, found.why_not)


BACKEND = """
import os, zipfile
open("EVIDENCE", "w").close()

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "sneaky-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("sneaky.py", "answer = 42\\n")
        wheel.writestr("sneaky-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: sneaky\\nVersion: 1.0\\n")
        wheel.writestr("sneaky-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("sneaky-1.0.dist-info/RECORD", "sneaky.py,,\\n")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "sneaky"
version = "1.0"
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that is served over HTTP, and its address."""
    folder = tmp_path / "index"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_package_that_is_built_from_sources_is_built_confined(
    confinement: Confinement, index: tuple[Path, str], tmp_path: Path
) -> None:
    """The hooks of a source distribution are a stranger's code: they write nowhere but into its environment."""
    folder, address = index
    evidence = tmp_path / "evidence"
    files = {"pyproject.toml": PROJECT, "backend.py": BACKEND.replace("EVIDENCE", str(evidence))}
    files["PKG-INFO"] = "Metadata-Version: 2.1\nName: sneaky\nVersion: 1.0\n"
    archive = folder / "sneaky-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for name, text in files.items():
            member = tarfile.TarInfo(f"sneaky-1.0/{name}")
            member.size = len(text)
            packed.addfile(member, io.BytesIO(text.encode()))
    lock = f"sneaky @ {address}/{archive.name} --hash=sha256:{_sha256(archive)}\n"
    environments = PythonEnvironments(tmp_path / ".shipway" / "environments", confinement)
    told: list[str] = []
    made = environments.ensure(lock.encode(), "web", told.append)
    assert "web: a package has no wheel; building it from its sources" in told
    variables = environments.variables(made.path, str(tmp_path))
    said = subprocess.check_output(["python", "-c", "import sneaky; print(sneaky.answer)"], env=variables, text=True)
    assert ("42\n", False) == (said, evidence.exists())


def test_a_wheel_runs_nothing_while_it_is_installed(tmp_path: Path) -> None:
    """A `.pth` file of a package is executed by tasks and tests, not by a build, which is outside of confinement."""
    evidence = tmp_path / "evidence"
    wheel = tmp_path / "quiet-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("quiet.pth", f"import os; open({str(evidence)!r}, 'w').close()\n")
        archive.writestr("quiet-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: quiet\nVersion: 1.0\n")
        archive.writestr("quiet-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("quiet-1.0.dist-info/RECORD", "quiet.pth,,\n")
    lock = f"quiet @ {wheel.as_uri()} --hash=sha256:{_sha256(wheel)}\n"
    PythonEnvironments(tmp_path / "environments").ensure(lock.encode(), "web", lambda line: None)
    assert not evidence.exists()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
