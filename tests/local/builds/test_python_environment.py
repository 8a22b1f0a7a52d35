"""Virtual environments from hashed locks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shipway.core.errors import ShipwayError
from shipway.local.builds.python_environment import PythonEnvironments


@pytest.fixture
def environments(tmp_path):
    return PythonEnvironments(tmp_path / "environments")


@pytest.fixture
def told():
    return []


def run(environments, environment, code, tree="/nowhere"):
    variables = environments.variables(environment.path, tree)
    return subprocess.check_output(["python", "-c", code], env=variables, text=True).strip()


def test_an_environment_holds_what_its_lock_names(environments, make_wheel, told):
    """The packages of the lock, compiled, and nothing of this program's own."""
    environment = environments.ensure(make_wheel("tiny", "answer = 42\n").encode(), "web", told.append)
    assert "42" == run(environments, environment, "import tiny; print(tiny.answer)")
    assert "True" == run(environments, environment, "import importlib.util as u; print(u.find_spec('psutil') is None)")
    assert list(Path(environment.path).glob("lib/python*/site-packages/__pycache__/tiny.*.pyc"))
    assert ["web: making its environment"] == told[:1]


def test_an_environment_is_made_once(environments, make_wheel, told):
    """The same lock answers the same folder without any work; another lock another folder."""
    tiny, other = make_wheel("tiny", "").encode(), make_wheel("other", "").encode()
    first = environments.ensure(tiny, "web", told.append)
    made = (Path(first.path) / ".complete").stat().st_mtime_ns
    said = len(told)
    assert first == environments.ensure(tiny, "api", told.append)
    assert (made, said) == ((Path(first.path) / ".complete").stat().st_mtime_ns, len(told))
    assert first.digest != environments.ensure(other, "web", told.append).digest


def test_two_at_once_make_one(environments, make_wheel, told):
    """Whoever comes second waits for the first."""
    lock = make_wheel("tiny", "").encode()
    threads = [threading.Thread(target=environments.ensure, args=(lock, name, told.append)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 == len([line for line in told if "making" in line])


def test_a_half_made_environment_is_made_again(environments, make_wheel, told):
    """What an interrupted build left is not trusted, nor what has lost its interpreter."""
    lock = make_wheel("tiny", "").encode()
    environment = environments.ensure(lock, "web", told.append)
    place = Path(environment.path)
    (place / ".complete").unlink()
    shutil.rmtree(place / "lib")
    assert environment == environments.ensure(lock, "web", told.append)
    assert "" == run(environments, environment, "import tiny")
    (place / "bin" / "python").unlink()
    (place / "bin" / "python").symlink_to("/no/such/python")
    environments.ensure(lock, "web", told.append)
    assert "" == run(environments, environment, "import tiny")


KILLED = """
import os, signal, sys
from pathlib import Path
from shipway.local.builds import python_environment

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

python_environment.write_atomically = kill
python_environment.PythonEnvironments(Path(sys.argv[1])).ensure(Path(sys.argv[2]).read_bytes(), "web", print)
"""


def test_a_build_that_was_killed_does_no_harm(environments, make_wheel, told, tmp_path):
    """After `kill -9` before the last step the next build starts afresh, and is not locked out."""
    (tmp_path / "lock").write_text(make_wheel("tiny", "answer = 42\n"))
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "environments"), str(tmp_path / "lock")]
    assert -9 == subprocess.run(arguments, stdout=subprocess.DEVNULL, check=False).returncode
    environment = environments.ensure((tmp_path / "lock").read_bytes(), "web", told.append)
    assert "42" == run(environments, environment, "import tiny; print(tiny.answer)")


def test_an_empty_lock_is_an_empty_environment(environments, told):
    """A service may need nothing and still have a lock."""
    environment = environments.ensure(b"# nothing\n", "web", told.append)
    assert "ok" == run(environments, environment, "print('ok')")


def test_no_lock_is_the_bare_interpreter(environments, told, tmp_path):
    """`python` is this program's interpreter itself, without this program's packages, but with the tree's modules."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "own.py").write_text("answer = 42\n")
    environment = environments.ensure(None, "web", told.append)
    assert ("", []) == (environment.path, told)
    found = run(environments, environment, "import own, sys; print(sys.prefix)", str(tmp_path))
    assert sys.base_prefix == found
    assert "False" == run(environments, environment, "import site; print(site.ENABLE_USER_SITE)")


def test_a_wrong_hash_is_refused(environments, make_wheel, told, tmp_path):
    """A package that is not what the lock promised never gets in."""
    lock = make_wheel("tiny", "")
    with pytest.raises(ShipwayError, match=r"(?s)web: its environment could not be made.*[Hh]ash"):
        environments.ensure((lock[:-9] + "00000000\n").encode(), "web", told.append)
    assert [] == list(tmp_path.glob("environments/*/.complete"))


def test_our_own_python_settings_do_not_leak(environments, make_wheel, told, monkeypatch):
    """Neither PYTHONPATH nor an active virtual environment of the caller plays a part."""
    monkeypatch.setenv("PYTHONPATH", os.fspath(Path(__file__).parent))
    monkeypatch.setenv("VIRTUAL_ENV", "/no/such/environment")
    environment = environments.ensure(make_wheel("tiny", "").encode(), "web", told.append)
    assert environment.path == run(environments, environment, "import sys; print(sys.prefix)")
