"""How a step is started: as a process in its environment, or in a container of its image."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shipway.core.ports.telling import Tell
from shipway.core.training.steps import StepOrder
from shipway.local.builds.address import address_of
from shipway.local.builds.confinement import SCRATCH, Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.files.atomic_file import write_atomically
from shipway.local.training.containers import Containers, container_name
from shipway.local.training.place import Place

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Start:
    """The command, where it is started, and its whole environment but for the mark."""

    argv: Sequence[str]
    folder: Path
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Starting:
    """Both ways. `scratch` is a folder that the step sees as its /tmp."""

    environments: PythonEnvironments
    confinement: Confinement
    containers: Containers

    def as_process(self, place: Place, order: StepOrder, scratch: Path) -> Start:
        """A process, confined where the machine can."""
        address = address_of(order.artifact)
        argv = self.confinement.around(
            [*shlex.split(order.command), order.name, *order.options],
            scratch=scratch,
            writable=[place.base],
            readable=[Path(address.tree), self.environments.programs(address.environment).parent],
        )
        home = SCRATCH if self.confinement.works else str(scratch)
        variables = {
            **self.environments.variables(address.environment, address.tree),
            **_ONE_THREAD,
            "HOME": home,
            "TMPDIR": home,
            "PYTHONDONTWRITEBYTECODE": "1",
            "SAGEMAKER_BASE_DIR": str(place.base),
        }
        return Start(argv, Path(address.tree), variables)

    def in_container(self, place: Place, order: StepOrder, scratch: Path, tell: Tell) -> Start:
        """A container. Raises ShipwayError where there is no engine or no image."""
        image, engine = self.containers.image(order.artifact, tell), self.containers.engine
        name = container_name(place.folder)
        # Before the start: whoever finds the container knows by it how to end it.
        write_atomically(place.engine, engine.program.encode(), lasting=False)
        engine.end(name)
        argv = engine.words_to_run(
            image, [order.name, *order.options], name=name, base=place.base, scratch=scratch,
            variables={**_ONE_THREAD, "HOME": SCRATCH, "TMPDIR": SCRATCH},
        )  # fmt: skip
        return Start(argv, place.folder, os.environ)
