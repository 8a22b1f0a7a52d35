"""Parameters as files."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.core.errors import UsageError
from shipway.local.model_tasks.parameters import FileParameters

NAME = "/ontime/prod/green/model-version"


@pytest.fixture
def parameters(tmp_path: Path) -> FileParameters:
    """Parameters in a folder that is not there yet."""
    return FileParameters(tmp_path / "parameters")


def file_of(parameters: FileParameters, name: str) -> Path:
    """The file that a task would read."""
    return Path(url2pathname(urlsplit(parameters.uri(name)).path))


def test_keeps_values(parameters: FileParameters) -> None:
    """A parameter is what was put last, and None before and after."""
    assert None is parameters.get(NAME)
    parameters.put(NAME, "v1.0")
    parameters.put(NAME, "v1.1")
    parameters.put("/ontime/prod/blue/model-version", "v1.0")
    assert ("v1.1", "v1.0") == (parameters.get(NAME), parameters.get("/ontime/prod/blue/model-version"))
    parameters.delete(NAME)
    parameters.delete(NAME)
    assert None is parameters.get(NAME)


def test_tasks_read_the_file(parameters: FileParameters) -> None:
    """The address leads to a file whose text is the value."""
    parameters.put(NAME, "v1.0")
    assert parameters.uri(NAME).startswith("file:///")
    assert b"v1.0" == file_of(parameters, NAME).read_bytes()


def test_every_change_is_a_new_file(parameters: FileParameters) -> None:
    """A reader that watches the inode notices a change even within the clock's resolution."""
    parameters.put(NAME, "v1.0")
    before = file_of(parameters, NAME).stat().st_ino
    parameters.put(NAME, "v1.1")
    assert before != file_of(parameters, NAME).stat().st_ino


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "/",
            "model",
            "a/b",
            "//a",
            "/a//b",
            "/a/",
            "/../a",
            "/a/..",
            "/a/./b",
            "/.hidden",
            "/-a",
            "/a b",
            "/a\n",
        ),
        *("/a\0", "/é", "/" + "a" * 201, "/" + "/".join("abcdefghijklmno" + "p"), "/" + "/".join(["a" * 100] * 11)),
        "/a\\b",
    ],
)
def test_names_are_checked(parameters: FileParameters, name: str) -> None:
    """A name that leads outside, or that the Parameter Store would refuse, is refused by every call."""
    for call in (parameters.get, parameters.delete, parameters.uri, lambda n: parameters.put(n, "x")):
        with pytest.raises(UsageError, match="is not the name of a parameter"):
            call(name)


@pytest.mark.parametrize(("value", "size"), [("", "0"), ("é" * 2049, "4,098")])
def test_values_are_bounded(parameters: FileParameters, value: str, size: str) -> None:
    """A value has 1 to 4,096 bytes."""
    with pytest.raises(UsageError, match=f"the value has {size} bytes; allowed: 1 to 4,096"):
        parameters.put(NAME, value)
    with pytest.raises(UsageError, match="not valid text"):
        parameters.put(NAME, "\ud800")


def test_a_parameter_is_no_folder(parameters: FileParameters) -> None:
    """A name cannot be a parameter and the beginning of another one."""
    parameters.put("/a/b", "x")
    with pytest.raises(UsageError, match="it is the folder of other parameters"):
        parameters.put("/a", "x")
    for below in ("/a/b/c", "/a/b/c/d"):
        with pytest.raises(UsageError, match="a part of its path is a parameter itself"):
            parameters.put(below, "x")
        assert None is parameters.get(below)
    assert None is parameters.get("/a")
    parameters.delete("/a")
    assert "x" == parameters.get("/a/b")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    value=st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100),
    name=st.text(max_size=30),
)
def test_any_text_is_kept_and_any_name_is_safe(
    parameters: FileParameters, tmp_path: Path, value: str, name: str
) -> None:
    """Values come back letter by letter, and no name reaches outside the folder."""
    parameters.put(NAME, value)
    assert value == parameters.get(NAME)
    try:
        path = file_of(parameters, name)
    except UsageError:
        return
    assert (tmp_path / "parameters") in path.parents


def test_a_reader_sees_the_old_or_the_new(parameters: FileParameters) -> None:
    """While a value changes, no reader finds it missing, empty or mixed."""
    values = {"a" * 4096, "b" * 4096}
    parameters.put(NAME, "a" * 4096)
    seen: set[str | None] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.add(parameters.get(NAME))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for n in range(100):
        parameters.put(NAME, "ab"[n % 2] * 4096)
    done.set()
    watcher.join(60)
    assert seen <= values


def test_killed_while_writing_leaves_the_old_or_the_new(parameters: FileParameters) -> None:
    """A writer that dies at any file operation leaves a whole value, and the next one succeeds."""
    parameters.put(NAME, "old")
    step = 0
    for step in range(100):
        child = os.fork()
        if child == 0:
            seen = iter(range(1000))

            def hook(event: str, _: object, step: int = step, seen: object = seen) -> None:
                if event in ("open", "os.rename", "os.mkdir", "os.remove") and next(seen) == step:  # type: ignore[call-overload]
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(hook)
            parameters.put(NAME, "new")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert parameters.get(NAME) in ("old", "new")
        if not os.WIFSIGNALED(status):
            break
        parameters.put(NAME, "old")
    assert 0 < step < 99
    assert "new" == parameters.get(NAME)


def test_a_task_is_told_the_path_as_it_is(tmp_path: Path) -> None:
    """Like every other path that tasks are told, and unlike a URL, nothing in it is encoded."""
    folder = tmp_path / "an app \N{LATIN SMALL LETTER U WITH DIAERESIS} 100%20"
    parameters = FileParameters(folder)
    parameters.put("/prod/blue/model-version", "v1.0")
    told = parameters.uri("/prod/blue/model-version")
    assert f"file://{folder}/prod/blue/model-version" == told
    assert "v1.0" == Path(told.removeprefix("file://")).read_text()
