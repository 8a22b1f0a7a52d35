"""Whether bundles and APIs fit that devices may bring together: the gate before a run starts anything."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shipway.core.compatibility.operations import Break, breaks, operations_of
from shipway.core.contract.bundles import Bundle
from shipway.core.errors import Refused, UsageError

_NAMED = 5


@dataclass(frozen=True, slots=True)
class CalledApi:
    """What a bundle uses of a service: the document that it was built with, operations of it, and those it can do without."""

    document: Mapping[str, Any]
    operations: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def used(self) -> tuple[str, ...]:
        """The operations that it calls: all of the document where none are named."""
        return self.operations or tuple(operations_of(self.document))


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a build of an app would come to: the bundle that is there already, None for a new one, and what it calls."""

    bundle: Bundle | None
    calls: Mapping[str, CalledApi]


@dataclass(frozen=True, slots=True)
class BundleInUse:
    """A bundle, what it calls of each service, and how many devices were seen with it; none for a new one."""

    version: str
    calls: Mapping[str, CalledApi]
    devices: int = 0


@dataclass(frozen=True, slots=True)
class Api:
    """What a release's services answer, by service; those that say nothing of it are left out."""

    release: str
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Misfit:
    """A bundle that would break with a release's service."""

    bundle: BundleInUse
    api: Api
    service: str
    found: Break

    def __str__(self) -> str:
        found = self.found
        place = f", {found.place}" if found.place else ""
        devices = f", on {self.bundle.devices:,} devices" if self.bundle.devices else ""
        where = f"{self.service} of {self.api.release}"
        return f"{found.operation}{place}: {found.reason} (bundle {self.bundle.version}{devices}; {where})"


def check_document(found: object, name: str) -> None:
    """Raise UsageError unless it has the outer shape of an OpenAPI document. `name` says in messages which file it is."""
    paths = found.get("paths") if isinstance(found, Mapping) else None
    if not isinstance(paths, Mapping) or not all(isinstance(item, Mapping) for item in paths.values()):
        raise UsageError(
            f"{name} is no OpenAPI document: `paths` with an object for each path is missing",
            fix="commit the document itself",
        )


def read_document(content: bytes, name: str) -> dict[str, Any]:
    """An OpenAPI document's content. Raises UsageError where it is none."""
    try:
        found: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise UsageError(f"{name} is not JSON: {error}", fix="commit the OpenAPI document as JSON") from None
    check_document(found, name)
    return found


def misfits(bundles: Iterable[BundleInUse], api: Api) -> list[Misfit]:
    """What of these bundles would break. A service that does not say what it answers is passed over.

    Raises Refused for documents that can't be compared.
    """
    return [
        Misfit(bundle, api, service, found)
        for bundle in bundles
        for service, called in bundle.calls.items()
        if service in api.documents
        for found in _breaks(bundle, service, called, api)
    ]


def _breaks(bundle: BundleInUse, service: str, called: CalledApi, api: Api) -> list[Break]:
    try:
        return breaks(called.document, api.documents[service], called.used, called.optional)
    except ValueError as error:
        raise Refused(
            f"bundle {bundle.version} can't be held to {service} of {api.release}: {error}",
            fix="correct the OpenAPI document, of the service or of the app, and commit",
            state="nothing was rolled out",
        ) from error


def refuse(found: list[Misfit], environment: str) -> None:
    """Raise Refused, with operation, field, bundle and devices, if anything would break."""
    if not found:
        return
    lines = [str(one) for one in found[:_NAMED]]
    more = [f"and {len(found) - _NAMED:,} more"] if len(found) > _NAMED else []
    raise Refused(
        f"bundles and APIs that devices of {environment} may bring together do not fit:\n" + "\n".join([*lines, *more]),
        fix="keep the operation as it was until no device runs the bundle any more, or let the app do without it and "
        "name it under `optional` in shipway.yaml",
        state="nothing was rolled out",
    )
