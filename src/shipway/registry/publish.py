"""Turns a folder that a training wrote into an immutable model version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shipway.core.errors import Refused, UsageError
from shipway.core.model_version import VERSION, ModelVersion, next_version
from shipway.registry import metadata
from shipway.registry.bucket import (
    METADATA,
    Bucket,
    copy_sealed,
    files_in,
    read_bounded,
)
from shipway.registry.metadata import Metadata

_PENDING = {"status": "pending", "by": None, "at": None, "why": None}


def publish(bucket: Bucket, folder: Path, version: str | None, author: str) -> ModelVersion:
    """Copy the folder into the bucket as `version` (default: the next free one), waiting for approval.

    The metadata's own author wins over `author`. Content that is there already is answered, not copied.
    Raises UsageError for a bad version name, Refused for a folder that contradicts its metadata or a version that
    holds other content.
    """
    document, checked = metadata.parse(read_bounded(folder / METADATA), str(folder / METADATA))
    document = {**document, "author": checked.author or author, "approval": _PENDING}
    wanted = _wanted(version, document.get("version"))
    _check_listing(folder, checked)
    with bucket.lock(), bucket.incoming() as incoming:
        for name, entry in checked.files.items():
            found = copy_sealed(folder / name, incoming / name)
            if found != (entry.sha256, entry.bytes):
                raise Refused(
                    f"{folder / name}: has sha256 {found[0]} and {found[1]:,} bytes; "
                    f"{METADATA} says {entry.sha256} and {entry.bytes:,}",
                    fix="write the folder again; it was changed after its metadata was made",
                    state="nothing changed",
                )
        present = _same_content(bucket, document, wanted)
        if present is not None:
            return metadata.described(present, metadata.parse(bucket.metadata(present), present)[1])
        free = next_version(bucket.versions())
        if wanted in bucket.versions():
            raise Refused(
                f"model {wanted} is there already, with other content; versions never change",
                fix=f"publish it as {free}, the next free version",
                state="nothing changed",
            )
        name = wanted or free
        document = {**document, "version": name}
        bucket.commit(incoming, name, metadata.dump(document))
    return metadata.described(name, Metadata.model_validate(document))


def _wanted(asked: str | None, written: str | None) -> str | None:
    if asked is not None and not VERSION.fullmatch(asked):
        raise UsageError(f"{asked[:40]!r} is no model version", fix="write it as v1.0, or leave it out")
    if asked and written and asked != written:
        raise UsageError(f"{METADATA} says version {written[:40]!r}, not {asked}", fix="leave one of them out")
    if written is not None and not VERSION.fullmatch(written):
        raise UsageError(f"{METADATA}: version: {written[:40]!r} is no model version", fix="write it as v1.0")
    return asked or written


def _check_listing(folder: Path, checked: Metadata) -> None:
    there = set(files_in(folder)) - {METADATA}
    lines = [f"{folder / name}: listed in {METADATA} but missing" for name in sorted(set(checked.files) - there)]
    lines += [f"{folder / name}: not listed in {METADATA}" for name in sorted(there - set(checked.files))]
    if lines:
        raise Refused("\n".join(lines), fix=f"make the folder and its {METADATA} agree", state="nothing changed")


def _same_content(bucket: Bucket, document: dict[str, Any], wanted: str | None) -> str | None:
    """The version that holds the same model: `wanted`, or any when none is wanted."""
    for version in bucket.versions():
        if wanted not in (None, version):
            continue
        try:
            stored, _ = metadata.parse(bucket.metadata(version), version)
        except Refused:  # a damaged version is never the same; `verified` tells of the damage
            continue
        if _content(stored) == _content(document):
            return version
    return None


def _content(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in ("version", "approval", "author")}
