"""Turns a folder that a training wrote into an immutable model version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shipway.core.contract.version import VERSION, next_version
from shipway.core.errors import Refused, UsageError
from shipway.core.models.model_version import ModelVersion
from shipway.core.ports.models import VersionStore
from shipway.core.ports.telling import Tell
from shipway.core.views.models import Publishing
from shipway.registry import forms, metadata
from shipway.registry.files import CONTRACT, METADATA, files_in, read_bounded
from shipway.registry.metadata import Metadata
from shipway.registry.packer import Packer, work_folder

_TRIES = 20
"""Names that may be taken by others in between, before a publisher gives up."""
_PENDING = {"status": "pending", "by": None, "at": None, "why": None}


def publish(
    store: VersionStore,
    packer: Packer | None,
    folder: Path,
    version: str | None,
    author: str,
    how: Publishing,
    tell: Tell,
) -> ModelVersion:
    """Copy the folder into the store as `version` (default: the next free one), waiting for approval.

    A model that is not served in its own format is converted first; see `forms.package`. The result is loaded by the
    model server's own code; see `forms.must_be_served`. The metadata's own author wins over `author`. If a version
    holds the same content already, it is answered and nothing is stored.
    Raises UsageError for a bad version name, Refused for a folder that contradicts its metadata, a model without a
    faithful form, one that no task would load, a pickle that nobody accepts, or a version that holds other content.
    """
    document, checked = metadata.parse(read_bounded(folder / METADATA), str(folder / METADATA))
    document = {**document, "author": checked.author or author, "approval": _PENDING}
    document.pop("approval_history", None)
    wanted = _wanted(version, document.get("version"))
    _check_listing(folder, checked)
    forms.check_format(checked, str(folder / METADATA))
    forms.check_pickle(checked, how.pickle_sha256)
    with work_folder() as work:
        source = forms.gathered(folder, checked, work)
        present = None if how.check else _present(store, document, wanted)
        if present is not None:
            return present
        made, name = document, wanted or next_version(store.versions())
        needed = forms.needs_program(source, checked, how.check)
        if packer is None:
            if needed:
                raise Refused(
                    "this registry keeps files and converts no models", fix="publish through the daemon: shipway up"
                )
            return _add(store, source, document, wanted)
        if needed:
            made = forms.package(packer, source, document, checked, how.keep_native, tell)
            _, checked = metadata.parse(metadata.dump(made), METADATA)  # the answer is checked like any folder
        forms.must_be_served(packer, source, {**made, "version": name}, tell)
        if how.check:
            return metadata.described(name, checked)
        return _add(store, source, made, wanted)


def _add(store: VersionStore, folder: Path, document: dict[str, Any], wanted: str | None) -> ModelVersion:
    checked = Metadata.model_validate(document)
    for _ in range(_TRIES):
        present = _present(store, document, wanted)
        if present is not None:
            return present
        name = wanted or next_version(store.versions())
        if store.add(name, str(folder), checked.listed, metadata.dump({**document, "version": name})):
            return metadata.described(name, checked)
    raise Refused("others publish versions all the time", fix="publish it again", state="nothing changed")


def _present(store: VersionStore, document: dict[str, Any], wanted: str | None) -> ModelVersion | None:
    """The version that holds the same model already. Raises Refused when `wanted` holds another one."""
    same = _same_content(store, document, wanted)
    if same is not None:
        return metadata.described(same, metadata.parse(store.metadata(same), same)[1])
    if wanted in store.versions():
        raise Refused(
            f"model {wanted} is there already, with other content; versions never change",
            fix=f"publish it as {next_version(store.versions())}, the next free version",
            state="nothing changed",
        )
    return None


def _wanted(asked: str | None, written: str | None) -> str | None:
    if asked is not None and not VERSION.fullmatch(asked):
        raise UsageError(f"{asked[:40]!r} is not a model version", fix="write it as v1.0, or leave it out")
    if asked and written and asked != written:
        raise UsageError(f"{METADATA} says version {written[:40]!r}, not {asked}", fix="leave one of them out")
    if written is not None and not VERSION.fullmatch(written):
        raise UsageError(f"{METADATA}: version: {written[:40]!r} is not a model version", fix="write it as v1.0")
    return asked or written


def _check_listing(folder: Path, checked: Metadata) -> None:
    there = set(files_in(folder)) - {METADATA}
    lines = [f"{folder / name}: listed in {METADATA} but missing" for name in sorted(set(checked.files) - there)]
    lines += [f"{folder / name}: not listed in {METADATA}" for name in sorted(there - set(checked.files))]
    if lines:
        raise Refused(
            "\n".join(lines),
            fix=f"make the folder and its {METADATA} agree, as {CONTRACT} says",
            state="nothing changed",
        )


def _same_content(store: VersionStore, document: dict[str, Any], wanted: str | None) -> str | None:
    """The version that holds the same model: `wanted`, or any when none is wanted."""
    source = document.get("source_sha256") or forms.source_digest(document)
    for version in store.versions():
        if wanted not in (None, version):
            continue
        try:
            stored, _ = metadata.parse(store.metadata(version), version)
        except Refused:  # a damaged version is never the same; `verified` reports the damage
            continue
        if forms.content(stored) == forms.content(document) or stored.get("source_sha256") == source:
            return version
    return None
