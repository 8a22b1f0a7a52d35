"""Keeps the wanted versions in service: loads them beside the current ones, then changes over at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ml_model_service.metadata import takes_all_of, unlike
from ml_model_service.versions.assignment import Assignment, AssignmentError, Chooser, parse
from ml_model_service.versions.counters import Variants
from ml_model_service.versions.memory import give_back
from ml_model_service.versions.model import Model, ModelError, load
from ml_model_service.versions.parameter import ParameterError, VersionParameter
from ml_model_service.versions.pickles import Bucket
from ml_model_service.versions.shadow import Mirror

log = logging.getLogger(__name__)
RETRY_AFTER = 2.0


class Unserved(ModelError):
    """An assignment cannot be served; `version` is the one of its versions that is the cause."""

    def __init__(self, version: str, message: str) -> None:
        super().__init__(message)
        self.version = version


@dataclass(frozen=True, slots=True)
class Pending:
    """A version that is wanted and not served: still loading, or `error` says why not."""

    version: str | None
    error: str | None = None


class Serving:
    """The models of one assignment. A request takes it once, and all of its rows are answered from that."""

    __slots__ = ("assignment", "chooser", "mirror", "models", "variants")

    def __init__(self, assignment: Assignment, models: Mapping[str, Model]) -> None:
        """`models` by version; those of the assignment are among them."""
        self.assignment = assignment
        self.models = tuple(models[version] for version, _ in assignment.variants)
        self.chooser = Chooser(assignment) if assignment.split else None
        self.variants = Variants(assignment)
        self.mirror: Mirror | None = None
        if assignment.shadow is not None:
            shadow = models[assignment.shadow.version]
            self.mirror = Mirror(shadow.version, assignment.shadow.percent, shadow.engine, shadow.threshold)

    @property
    def stable(self) -> Model:
        """The version that answers all whom no candidate answers."""
        return self.models[0]


class Served:
    """What is in service and what is wanted instead. Only the event loop's thread writes it."""

    def __init__(self) -> None:
        self.serving: Serving | None = None
        self.pending: Pending | None = Pending(None)
        # The versions that served before these stay loaded, so that going back to them takes no time.
        self._warm: dict[str, Model] = {}
        self.on_change: Callable[[Serving], None] = lambda _: None

    @property
    def model(self) -> Model | None:
        """The stable version."""
        return self.serving.stable if self.serving else None

    @property
    def loaded(self) -> dict[str, Model]:
        """The versions in memory, by name."""
        return dict(self._warm)

    def take(self, assignment: Assignment, models: Mapping[str, Model]) -> None:
        """Serve the assignment from the next request on."""
        before, self.serving = self.serving, Serving(assignment, models)
        self.pending = None
        wanted = {version: models[version] for version in _versions(assignment)}
        kept = {model.version: model for model in before.models} if before else {}
        self._warm = kept | wanted
        if before is not None:
            if before.mirror is not None:
                before.mirror.stop()
            self.on_change(before)
        log.info("serving model %s, digest %s", assignment.version, self.serving.stable.digest)

    def refuse(self, version: str | None, error: str) -> None:
        """Keep what is served and remember why `version` is not; says so once for each reason."""
        refused = Pending(version, error)
        if refused != self.pending:
            log.error("model %s is not served, %s stays: %s", version, self.model and self.model.version, error)
        self.pending = refused


async def serve_baked(served: Served, baked: Bucket) -> None:
    """Load the model whose folder is `baked`, once."""
    try:
        model = await asyncio.to_thread(load, baked.folder, bucket=baked)
    except ModelError as error:
        served.refuse(None, str(error))
    else:
        served.take(Assignment(model.version), {model.version: model})


async def follow(
    served: Served, parameter: VersionParameter, bucket: Bucket, clock: Callable[[], float] = time.monotonic
) -> None:
    """Serve whatever assignment `parameter` holds, for as long as the task runs.

    One that failed is tried again every two seconds, as the files of its versions may still be arriving. A task that
    serves nothing yet serves its stable version alone until then: a candidate's fault must not be a restart's.
    """
    failed, retry_at = "", 0.0
    while True:
        text = ""
        try:
            text = await asyncio.to_thread(parameter.read)
            assignment = parse(text)
        except (ParameterError, AssignmentError) as error:
            served.refuse(None, f"the model version parameter holds {text!r}: {error}" if text else str(error))
        else:
            if served.serving is not None and served.serving.assignment == assignment:
                served.pending = None
                failed = ""
            elif text != failed or clock() >= retry_at:
                if text != failed:
                    # while the same text is tried again, its last error stays visible
                    served.pending = Pending(assignment.version)
                failed = "" if await _change_over(served, bucket, assignment) else text
                retry_at = clock() + RETRY_AFTER
        await asyncio.sleep(parameter.interval)


async def _change_over(served: Served, bucket: Bucket, wanted: Assignment) -> bool:
    """Whether everything that is wanted is served now."""
    try:
        models = await asyncio.to_thread(partial(_models, bucket, wanted, served.loaded, served.model))
    except Unserved as error:
        if served.serving is None and error.version != wanted.version:
            await _change_over(served, bucket, Assignment(wanted.version))
        served.refuse(error.version, str(error))
        return False
    served.take(wanted, models)
    del models
    # the models that were kept warm until now are gone
    await asyncio.to_thread(give_back)
    return True


def _models(bucket: Bucket, wanted: Assignment, loaded: Mapping[str, Model], current: Model | None) -> dict[str, Model]:
    """All models of an assignment, those in memory as they are. Raises Unserved when one does not load or suit."""
    models: dict[str, Model] = {}
    for version in _versions(wanted):
        try:
            models[version] = loaded.get(version) or load(bucket.folder / version, version, bucket)
        except ModelError as error:
            raise Unserved(version, str(error)) from error
        except MemoryError as error:
            raise Unserved(version, f"{version}: there is not enough memory to load it") from error
    stable = models[wanted.version]
    for version, model in models.items():
        why = unlike(model.schema, stable.schema)
        if why is not None:
            raise Unserved(version, f"{version}: it can't share requests with {wanted.version}: {why}")
    # Going back to a version that is still in memory is always allowed.
    if current is not None and wanted.version not in loaded:
        narrower = takes_all_of(stable.schema, current.schema)
        if narrower is not None:
            why = (
                f"{wanted.version}: {narrower}, so requests made for {current.version} would fail: "
                "it can only come with a release of the services that call it"
            )
            raise Unserved(wanted.version, why)
    return models


def _versions(assignment: Assignment) -> tuple[str, ...]:
    shadow = (assignment.shadow.version,) if assignment.shadow else ()
    return tuple(version for version, _ in assignment.variants) + shadow
