"""What people see of model versions, and what was done with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shipway.core.errors import Refused
from shipway.core.models.model_version import ModelVersion
from shipway.core.models.origin import DecidedOn, Origin
from shipway.core.releases.run import Run
from shipway.core.rollouts.served import Served
from shipway.core.training.probation import OnProbation


@dataclass(frozen=True, slots=True)
class ModelInUse:
    """A model version, the environments that it serves, and those of them where it is on probation."""

    model: ModelVersion
    serves: tuple[str, ...]
    probation: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelsView:
    """Every version, oldest first; new releases take `latest`."""

    latest: str | None
    models: tuple[ModelInUse, ...]


@dataclass(frozen=True, slots=True)
class ModelView:
    """All that is known of a version: its whole metadata, where it serves, and where it ever did.

    `probations` are those that it was on, or was the version before.
    """

    metadata: Mapping[str, Any]
    latest: bool
    serves: tuple[str, ...]
    served: tuple[Served, ...]
    probations: tuple[OnProbation, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelStay:
    """A model version as the current one of an environment, from `since` until `until` (Unix time; None: it still is).

    `release` and `run` brought it, for `by`, in the way `kind`. `decided` is the newest decision on it in that time.
    `probation` says how that went on or ended. Of one moment: `beside` tells what answered or listened beside it. What is not
    known is empty or None.
    """

    environment: str
    version: str
    since: float
    until: float | None
    release: str
    by: str
    why: str = ""
    run: str = ""
    kind: str = ""
    back: bool = False
    origin: Origin | None = None
    decided: DecidedOn | None = None
    probation: str = ""
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Publishing:
    """What the publisher of a version asks for.

    `pickle_sha256` accepts the pickle that has this digest; `keep_native` publishes a pickle that cannot be converted
    as it is; `check` looks at the model row by row, whatever its format, and stores nothing.
    """

    pickle_sha256: str | None = None
    keep_native: bool = False
    check: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """A version after a decision: whether that changed it, where it serves and whether new releases take it.

    `run` promotes it where `model.on_approval` says so; `not_promoted` tells why that was refused. Where no run is
    needed for it, `told` says what came of it.
    """

    model: ModelVersion
    changed: bool
    serves: tuple[str, ...]
    latest: bool
    run: Run | None = None
    not_promoted: Refused | None = None
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Promoted:
    """What new releases take now, and the run that brings the version to where it is asked for, if one does.

    Where it is there already, `told` says how that was read back.
    """

    latest: str | None
    run: Run | None
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Baked:
    """A version in a folder of the work tree; `to_describe` is what shipway.yaml lacks for it to be served there."""

    model: ModelVersion
    folder: str
    to_describe: str
