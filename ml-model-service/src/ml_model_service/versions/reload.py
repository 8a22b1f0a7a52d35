"""Keeps the wanted versions in service: loads them beside the current ones, then changes over at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ml_model_service.contract.schema import refused_by, unheard, unlike
from ml_model_service.contract.wanted import Wanted, WantedError, parse
from ml_model_service.formats.encoder import Encoder
from ml_model_service.versions.chooser import Chooser
from ml_model_service.versions.counters import Variants
from ml_model_service.versions.memory import give_back
from ml_model_service.versions.model import Model, ModelError, load
from ml_model_service.versions.parameter import NONE, ParameterError, Stale, VersionParameter
from ml_model_service.versions.pickles import Bucket
from ml_model_service.versions.shadow import Mirror, Scored
from ml_model_service.versions.sources import Source

log = logging.getLogger(__name__)


class Unserved(ModelError):
    """What is wanted cannot be served; `version` is the one of its versions that is the cause."""

    def __init__(self, version: str, message: str) -> None:
        super().__init__(message)
        self.version = version


@dataclass(frozen=True, slots=True)
class Pending:
    """A version that is wanted and not served: still loading, or `error` says why not."""

    version: str | None
    error: str | None = None


class Serving:
    """The models that are wanted together. A request takes it once, and all of its rows are answered from that."""

    __slots__ = ("chooser", "mirror", "models", "reader", "variants", "wanted")

    def __init__(self, wanted: Wanted, models: Mapping[str, Model], scored: Scored | None = None) -> None:
        """`models` by version; those that are wanted are among them. `scored` is told what the shadow predicts."""
        self.wanted = wanted
        self.models = tuple(models[version] for version, _ in wanted.variants)
        self.chooser = Chooser(wanted) if wanted.split else None
        self.variants = Variants(wanted)
        self.mirror: Mirror | None = None
        # How the shadow reads requests, where its categories have other values than stable's: no codes are shared.
        self.reader: Encoder | None = None
        if wanted.shadow is not None:
            shadow = models[wanted.shadow.version]
            self.mirror = Mirror(shadow.version, wanted.shadow.percent, shadow.engine, shadow.threshold, scored)
            if shadow.schema.described.features != self.stable.schema.described.features:
                self.reader = shadow.encoder

    @property
    def stable(self) -> Model:
        """The version that answers all whom no candidate answers."""
        return self.models[0]


class Served:
    """What is in service and what is wanted instead. Only the event loop's thread writes it."""

    def __init__(self) -> None:
        self.serving: Serving | None = None
        self.pending: Pending | None = Pending(None)
        # Why the parameter could not be read lately, and how often it could not be since the start.
        self.stale: Stale | None = None
        self.parameter_failures = 0
        # The versions that served before these stay loaded, so that going back to them takes no time.
        self._warm: dict[str, Model] = {}
        self.on_change: Callable[[Serving], None] = lambda _: None
        self.on_shadow: Scored | None = None

    @property
    def model(self) -> Model | None:
        """The stable version."""
        return self.serving.stable if self.serving else None

    @property
    def loaded(self) -> dict[str, Model]:
        """The versions in memory, by name."""
        return dict(self._warm)

    def take(self, wanted: Wanted, models: Mapping[str, Model]) -> None:
        """Serve what is wanted from the next request on."""
        before, self.serving = self.serving, Serving(wanted, models, self.on_shadow)
        self.pending = None
        kept = {model.version: model for model in before.models} if before else {}
        self._warm = kept | {version: models[version] for version in _versions(wanted)}
        if before is not None:
            if before.mirror is not None:
                before.mirror.stop()
            self.on_change(before)
        log.info("serving model %s, digest %s", wanted.version, self.serving.stable.digest)

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
        served.take(Wanted(model.version), {model.version: model})


async def follow(
    served: Served, parameter: VersionParameter, source: Source, clock: Callable[[], float] = time.monotonic
) -> None:
    """Serve whatever `parameter` wants, for as long as the task runs.

    What failed is tried again every few seconds, as the files of its versions may still be arriving. A task that
    serves nothing yet serves its stable version alone until then: a candidate's fault must not be a restart's.
    """
    failed, retry_at = "", 0.0
    while True:
        text = ""
        try:
            text = await asyncio.to_thread(parameter.read)
            wanted = parse(text)
        except (ParameterError, WantedError) as error:
            served.refuse(None, _no_version(text, error))
        else:
            if served.serving is not None and served.serving.wanted == wanted:
                served.pending = None
                failed = ""
            elif text != failed or clock() >= retry_at:
                if text != failed:
                    # while the same text is tried again, its last error stays visible
                    served.pending = Pending(wanted.version)
                failed = "" if await _change_over(served, source, wanted) else text
                retry_at = clock() + source.retry_after
        served.stale, served.parameter_failures = parameter.stale, parameter.failures
        await asyncio.sleep(parameter.interval)


def _no_version(text: str, error: Exception) -> str:
    if text == NONE:
        return "no version was promoted yet: the model version parameter says none"
    return f"the model version parameter holds {text!r}: {error}" if text else str(error)


async def _change_over(served: Served, source: Source, wanted: Wanted) -> bool:
    """Whether everything that is wanted is served now."""
    try:
        models = await asyncio.to_thread(partial(_models, source, wanted, served.loaded, served.model))
    except Unserved as error:
        if served.serving is None and error.version != wanted.version:
            await _change_over(served, source, Wanted(wanted.version))
        served.refuse(error.version, str(error))
        return False
    served.take(wanted, models)
    del models
    # the models that were kept warm until now are gone
    await asyncio.to_thread(give_back)
    return True


def _models(source: Source, wanted: Wanted, loaded: Mapping[str, Model], current: Model | None) -> dict[str, Model]:
    """All models that are wanted, those in memory as they are. Raises Unserved when one does not load or suit."""
    models: dict[str, Model] = {}
    for version in _versions(wanted):
        try:
            models[version] = loaded.get(version) or source.load(version)
        except ModelError as error:
            raise Unserved(version, str(error)) from error
        except MemoryError as error:
            raise Unserved(version, f"{version}: there is not enough memory to load it") from error
    stable = models[wanted.version]
    answering = [version for version, _ in wanted.variants]
    for version, model in models.items():
        differences = unlike if version in answering else unheard
        if why := "; ".join(differences(model.schema.described, stable.schema.described)):
            raise Unserved(version, f"{version}: it can't share requests with {wanted.version}: {why}")
    # Going back to a version that is still in memory is always allowed.
    if current is None or wanted.version in loaded:
        return models
    if narrower := "; ".join(refused_by(stable.schema.described, current.schema.described)):
        why = (
            f"{wanted.version}: {narrower}, so requests made for {current.version} would fail: "
            "it can only come with a release of the services that call it"
        )
        raise Unserved(wanted.version, why)
    return models


def _versions(wanted: Wanted) -> tuple[str, ...]:
    shadow = (wanted.shadow.version,) if wanted.shadow else ()
    return tuple(version for version, _ in wanted.variants) + shadow
