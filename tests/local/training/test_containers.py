"""Steps of trainings in containers, with whatever engine answers: the same folders, adopted, ended, without network."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shipway.core.errors import ShipwayError
from shipway.core.releases.release import Artifact
from shipway.core.training.steps import StepOrder
from shipway.local.builds.address import Address
from shipway.local.builds.sealed_tree import seal
from shipway.local.training.containers import Containers, container_name, find_engine
from shipway.local.training.steps import LocalSteps
from tests.contracts.images import BASE_IMAGE, BUILD_OPTIONS, default_base, engine
from tests.local.training.test_steps import Bench, report, silently
from tests.waiting import wait_for

pytestmark = pytest.mark.lengthy
DOCKERFILE = """
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY src /app/src
ENV PYTHONPATH=/app/src SAGEMAKER_BASE_DIR=/opt/ml
ENTRYPOINT ["python", "-m", "program"]
"""
RUN_ONE = """
import sys
from pathlib import Path
from tests.local.training.test_containers import Contained
bench = Contained(Path(sys.argv[1]), sys.argv[2])
print(bench.run(bench.order(wait="1")).digest)
"""


class Contained(Bench):
    """A bench whose steps run in containers; `digest` names the artifact, and so the image."""

    def __init__(self, folder: Path, digest: str) -> None:
        super().__init__(folder)
        self.artifact = Artifact("training", digest, Address(str(folder / "tree")).text())
        self.options = ["--build-arg", f"BASE_IMAGE={os.environ[BASE_IMAGE]}"]
        self.options += shlex.split(os.environ.get(BUILD_OPTIONS, ""))

    @property
    def steps(self) -> LocalSteps:
        steps = super().steps
        containers = Containers(self.folder / "steps", self.options)
        steps._starting = replace(steps._starting, containers=containers)
        return steps

    def order(self, name: str = "report", timeout: float = 60.0, **options: str) -> StepOrder:
        return replace(super().order(name, timeout, **options), container=True)

    def train(self, **parameters: str) -> StepOrder:
        return replace(super().train(**parameters), container=True)

    def container(self) -> str:
        """The id of the one step's container, if it is there."""
        places = [path for path in (self.folder / "steps").glob("*") if path.is_dir()]
        name = container_name(places[0]) if places else "none"
        return find_engine().ask("ps", "--all", "--quiet", "--no-trunc", "--filter", f"name=^{name}$")[1].strip()

    def began(self) -> str:
        """The id of the one step's container, once its program runs."""
        wait_for(lambda: self.container() and (self.only() / "log").read_text() == "began\n")
        return self.container()

    def begin(self) -> subprocess.Popen[str]:
        """Another program that carries out the order that waits."""
        words = [sys.executable, "-c", RUN_ONE, str(self.folder), self.artifact.digest]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def digest() -> Iterator[str]:
    """Of an artifact that was never built; its image goes afterwards."""
    found, asked = engine(), os.environ.get(BASE_IMAGE)
    if found is None and not asked:
        pytest.skip("no container engine answers: neither `docker info` nor `podman info` succeeds")
    assert found is not None, f"{BASE_IMAGE} asks for {asked}, but no container engine answers"
    base = asked or default_base("training")
    if find_engine().ask("image", "inspect", base)[0] != 0:
        assert not asked, f"{found} has no image {base}"
        pytest.skip(f"{found} has no image {base}: pull it, or name one that is there in {BASE_IMAGE}")
    digest = uuid.uuid4().hex * 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BASE_IMAGE, base)
        yield digest
    find_engine().ask("image", "rm", "--force", f"shipway-training:{digest}")


@pytest.fixture
def bench(digest: str, tmp_path: Path) -> Iterator[Contained]:
    bench = Contained(tmp_path, digest)
    (tmp_path / "tree" / "Dockerfile").write_text(DOCKERFILE)
    yield bench
    bench.steps.stop()
    for place in (tmp_path / "steps").glob("[0-9a-f]*"):
        find_engine().end(container_name(place))


def test_a_step_reads_and_leaves_what_it_does_as_a_process(bench: Contained, tmp_path: Path) -> None:
    """Both kinds of job, from a sealed tree; the results are the same, and no container is left."""
    seal(tmp_path / "tree" / "src")
    as_process = Bench(tmp_path / "process")
    done, expected = bench.run(bench.order()), as_process.run(as_process.order())
    assert report(as_process, expected) == report(bench, done)
    assert expected.outputs == done.outputs
    assert "" == bench.container()
    assert as_process.run(as_process.train()).outputs == bench.run(bench.train()).outputs
    assert bench.run(bench.order()).reused


def test_the_image_is_built_once(bench: Contained) -> None:
    """It is named by the artifact's digest."""
    bench.steps.run(bench.order(), silently)
    told: list[str] = []
    bench.steps.run(bench.order(other="1"), told.append)
    assert ["began"] == told


def test_a_step_that_fails_says_why(bench: Contained) -> None:
    """In its own words, as a process does."""
    with pytest.raises(ShipwayError, match="fail failed: line 4: found many"):
        bench.run(bench.order("fail"))


def test_a_step_that_outlived_its_control_plane_is_adopted(bench: Contained) -> None:
    """`kill -9` of the control plane: the next one waits for the very container, and finds its result."""
    with bench.begin() as first:
        container = bench.began()
        first.send_signal(signal.SIGKILL)
        first.wait()
    with bench.begin() as second:
        assert second.stdout is not None
        assert container == bench.container()
        (bench.only() / "ml" / "go").touch()
        digest = second.stdout.read().strip()
    assert bench.only().name == digest
    assert "x" == (bench.only() / "ml" / "starts").read_text()
    wait_for(lambda: not bench.container())


def test_a_container_whose_client_was_killed_is_ended_before_it_is_begun_again(bench: Contained) -> None:
    """`kill -9` of all that this machine started for it: only the engine keeps the container."""
    with bench.begin() as first:
        before = bench.began()
        first.send_signal(signal.SIGKILL)
        first.wait()
    leader = int((bench.only() / "leader").read_text().split()[0])
    os.killpg(leader, signal.SIGKILL)
    with bench.begin() as second:
        wait_for(lambda: bench.container() not in (before, ""))
        bench.began()
        (bench.only() / "ml" / "go").touch()
        second.wait()
    assert "x" == (bench.only() / "ml" / "starts").read_text()


def test_a_step_that_takes_too_long_is_ended_with_its_container(bench: Contained) -> None:
    """Nothing of it is left with the engine."""
    with pytest.raises(ShipwayError, match="was not done within 2 s"):
        bench.run(bench.order(timeout=2.0, wait="1"))
    assert "" == bench.container()


def test_a_stop_ends_containers(bench: Contained) -> None:
    """As `shipway down` does."""
    with bench.begin() as first:
        bench.began()
        bench.steps.stop()
        assert 0 != first.wait()
    assert "" == bench.container()


def test_a_program_without_a_dockerfile_is_refused(bench: Contained, tmp_path: Path) -> None:
    """The message says both ways out."""
    (tmp_path / "tree" / "Dockerfile").unlink()
    bench.artifact = replace(bench.artifact, digest="f" * 64)
    with pytest.raises(ShipwayError, match="has no Dockerfile") as refused:
        bench.run(bench.order())
    assert "model.training.run_in: process" in refused.value.fix


def test_a_dockerfile_that_fails_says_where(bench: Contained, tmp_path: Path) -> None:
    """The engine's last lines stand in the error."""
    (tmp_path / "tree" / "Dockerfile").write_text(DOCKERFILE + "RUN echo no such package >&2 && exit 3\n")
    bench.artifact = replace(bench.artifact, digest="e" * 64)
    with pytest.raises(ShipwayError, match="no such package"):
        bench.run(bench.order())


def test_a_step_sees_nothing_of_the_machine(bench: Contained, tmp_path: Path) -> None:
    """Files beside its folders are not there."""
    (tmp_path / "secret").write_text("seen")
    with pytest.raises(ShipwayError, match="peep failed"):
        bench.run(bench.order("peep", at=str(tmp_path / "secret")))
    assert {} == bench.run(bench.order("peep", at="/opt/ml/output")).outputs
