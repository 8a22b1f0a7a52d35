"""The formats of models: which are accepted, what each is published as, and how a conversion is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shipway.core.contract.schema import canonical_digest
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.ports.telling import Tell
from shipway.registry.files import METADATA, copy_listed, copy_sealed, last_line_with, read_bounded
from shipway.registry.metadata import Metadata, dump
from shipway.registry.packer import LOCK, READING_LOCK, Packer, work_folder

LIGHTGBM, ONNX, PICKLE = "lightgbm-text", "onnx", "sklearn-pickle"
FORMATS = (LIGHTGBM, ONNX, "xgboost-json", "xgboost-ubj", PICKLE)
_PANDAS = b"pandas_categorical:"
_SERVED_NAMES = {LIGHTGBM: "model.txt", ONNX: "model.onnx"}


def check_format(checked: Metadata, name: str) -> None:
    """Raises Refused for a format that cannot be published."""
    if checked.model_format not in FORMATS:
        raise Refused(
            f"{name}: model_format: found {checked.model_format!r}; allowed: {', '.join(FORMATS)}",
            fix="save the model in one of these formats",
            state="nothing changed",
        )


def check_pickle(checked: Metadata, accepted: str | None) -> None:
    """Raises Refused for a pickle whose digest the publisher did not give, UsageError for a digest without a pickle."""
    if checked.model_format != PICKLE:
        if accepted is not None:
            raise UsageError(
                f"--pickle-sha256 is for pickles; this model is {checked.model_format}", fix="leave it out"
            )
        return
    file = checked.model_file
    if accepted is None:
        raise Refused(
            f"{file} is a pickle: whoever wrote it decides what runs on this machine when it is loaded, "
            "and a sandbox bounds that only in part",
            fix=f"if you trust its author, take its digest from them (sha256sum {file}) and publish with "
            "--pickle-sha256 DIGEST; or save the model as ONNX",
            state="nothing was loaded",
        )
    if accepted.lower().removeprefix("sha256:") != checked.files[file].sha256:
        raise Refused(
            f"{file} is not the pickle that you accept: its digest is another one",
            fix=f"ask its author for what `sha256sum {file}` says, and for the file again",
            state="nothing was loaded",
        )


def needs_program(folder: Path, checked: Metadata, check: bool) -> bool:
    """Whether the training's library has to look at the model.

    LightGBM's text is served as it is. It is looked at only when publishing is asked to `check`, when there are no
    golden requests yet, or when the file numbers its categories differently from the schema.
    """
    if check or checked.model_format != LIGHTGBM or not checked.golden:
        return True
    listed = [feature.values for feature in checked.feature_schema.features if feature.type == "category"]
    return _pandas_categories(folder / checked.model_file) not in (None, listed)


def _pandas_categories(file: Path) -> list[list[str]] | None:
    """The categories of the table that a LightGBM model was trained on, in the order of its codes; None without any."""
    line = last_line_with(file, _PANDAS)
    try:
        found = json.loads(line) if line is not None else None
    except ValueError:
        return []
    if not isinstance(found, list) or not found:
        return None if found in (None, []) else []
    return [[str(value) for value in values] if isinstance(values, list) else [] for values in found]


def gathered(folder: Path, checked: Metadata, work: Path) -> Path:
    """A copy of a training's output in `work`, so that it cannot change while it is checked. Raises as `copy_listed`."""
    source = work / "model"
    source.mkdir()
    copy_listed(folder, checked.listed, source)
    (source / METADATA).write_bytes(read_bounded(folder / METADATA))
    return source


def package(
    packer: Packer, source: Path, document: dict[str, Any], checked: Metadata, keep_native: bool, tell: Tell
) -> dict[str, Any]:
    """The metadata to publish instead: converted, checked, with golden requests. New files are put into `source`.

    Raises Refused where no form that serves is faithful to the model, ShipwayError when the program fails.
    """
    work = source.parent
    done = packer.run({"command": "package", "folder": str(source), "keep_native": keep_native}, work, tell)
    made = document | {key: done[key] for key in ("golden", "tolerance", "onnx", "native") if key in done}
    if "format" in done:
        made = _converted(made, done, checked, work / "converted", source)
    if "native" in done:
        tell("it serves only where the environment variable MODEL_PICKLES names this bucket")
    return made if made == document else {**made, "source_sha256": source_digest(document)}


def must_be_served(packer: Packer, source: Path, document: dict[str, Any], tell: Tell) -> None:
    """Let the model server's own code load the version in `source`, with `document` as its metadata.

    Publishing and serving use the same reader, so that a version which no task would load is never promoted.
    Raises Refused with what the server says, ShipwayError when the program fails.
    """
    (source / METADATA).write_bytes(dump(document))
    pickles = document["model_format"] == PICKLE
    with work_folder() as work:
        job = {"command": "read", "folder": str(source), "pickles": pickles}
        packer.run(job, work, tell, LOCK if pickles else READING_LOCK)


def source_digest(document: dict[str, Any]) -> str:
    """A digest that names a training's output, before anything was converted."""
    return canonical_digest(content(document))


def content(document: dict[str, Any]) -> dict[str, Any]:
    """The metadata without the keys that publishing and decisions write."""
    written = ("version", "approval", "approval_history", "author")
    return {key: value for key, value in document.items() if key not in written}


def _converted(
    document: dict[str, Any], done: dict[str, Any], checked: Metadata, converted: Path, sources: Path
) -> dict[str, Any]:
    """Put the converted file beside the original, which is dropped if it is a pickle; answers the new metadata."""
    if done["format"] not in _SERVED_NAMES or not isinstance(done.get("conversion"), dict):
        raise ShipwayError(
            "the packaging program answered with a format or a conversion that it never makes", fix="report the fault"
        )
    name = _SERVED_NAMES[done["format"]]
    while name in checked.files:
        name = f"converted-{name}"
    sha256, size = copy_sealed(converted, sources / name)
    files = {**document["files"], name: {"sha256": sha256, "bytes": size}}
    if checked.model_format == PICKLE:
        del files[checked.model_file]
    conversion = {**done["conversion"], "from_input": document.get("input", "codes")}
    kept = {key: value for key, value in document.items() if key != "input"}
    return {**kept, "model_file": name, "model_format": done["format"], "files": files, "conversion": conversion}
