"""The keys of `metadata.json`, whatever the model's format. All mistakes are reported at once, each with its path."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    ValidationError,
)

from shipway.core.contract import schema as core
from shipway.core.contract.schema import canonical_digest
from shipway.core.errors import Refused
from shipway.core.models.model_version import ModelVersion
from shipway.core.ports.models import FileDigest
from shipway.registry.files import CONTRACT

MAX_BYTES = 8 << 30

_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}(?:/[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}){0,7}")
_SHOWN = 30

Line = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]*$")]


class _Part(BaseModel):
    # Further keys are kept as they are: a training program may record more than the platform reads.
    model_config = ConfigDict(extra="allow", frozen=True, strict=True, protected_namespaces=())


class Approval(_Part):
    """Who said yes or no, when (ISO 8601) and why."""

    status: Literal["pending", "approved", "rejected", "archived"]
    by: str | None = None
    at: str | None = None
    why: str | None = None


class FileEntry(_Part):
    """What a file of the version must be."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0, le=MAX_BYTES)


class Feature(_Part):
    """One input of the model."""

    name: Line
    type: Literal["number", "category"]
    nullable: bool
    values: list[str] | None = None
    minimum: FiniteFloat | None = None
    maximum: FiniteFloat | None = None


class FeatureSchema(_Part):
    """The model's inputs in order, and its output."""

    features: list[Feature] = Field(min_length=1, max_length=10_000)
    output: dict[str, JsonValue]


class Golden(_Part):
    """A request and the answer that every copy of the model must give to it."""

    instance: dict[str, JsonValue]
    prediction: FiniteFloat


class Holdout(_Part):
    """Held-out rows, or those of a baseline: a CSV file of the version. `time` names its column of times, if it has one."""

    file: str
    rows: int = Field(ge=0, le=100_000)
    time: str | None = None


class Metadata(_Part):
    """All that the platform reads of `metadata.json`. `version` and `approval` are set when it is published."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    version: str | None = None
    trained_at: Line
    dataset_version: Line
    author: Line | None = None
    metrics: dict[str, FiniteFloat]
    hyperparameters: dict[str, JsonValue]
    approval: Approval = Approval(status="pending")
    approval_history: list[Approval] = Field(default=[], max_length=1000)
    model_file: str
    model_format: Line
    files: dict[str, FileEntry] = Field(min_length=1)
    feature_schema: FeatureSchema
    feature_schema_digest: str
    golden: list[Golden] = Field(default=[], max_length=20)
    tolerance: FiniteFloat | None = Field(default=None, ge=0)
    holdout: Holdout | None = None
    baseline: Holdout | None = None
    input: Literal["codes", "values"] = "codes"
    onnx: dict[str, JsonValue] | None = None

    @property
    def listed(self) -> dict[str, FileDigest]:
        """What each file must be."""
        return {name: (entry.sha256, entry.bytes) for name, entry in self.files.items()}


def parse(data: bytes, name: str) -> tuple[dict[str, Any], Metadata]:
    """The document as it stands and as checked values. Raises Refused whose `what` has one line for each mistake."""
    document = _document(data, name)
    try:
        metadata = Metadata.model_validate(document)
    except ValidationError as error:
        lines = []
        for details in error.errors(include_url=False):
            found = "" if details["type"] == "missing" else f"; found {short(details['input'])}"
            lines.append(f"{_dotted(details['loc'])}: {details['msg'][:1].lower()}{details['msg'][1:]}{found}")
        raise wrong(lines, name) from error
    if lines := _contradictions(document, metadata):
        raise wrong(lines, name)
    return document, metadata


def dump(document: dict[str, Any]) -> bytes:
    """The document as the bucket keeps it."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def described(version: str, metadata: Metadata) -> ModelVersion:
    """The version as the rest of the platform sees it."""
    return ModelVersion(
        version=version,
        name=metadata.name,
        model_file=metadata.model_file,
        digest=metadata.files[metadata.model_file].sha256,
        schema_digest=metadata.feature_schema_digest.removeprefix("sha256:"),
        trained_at=metadata.trained_at,
        dataset_version=metadata.dataset_version,
        author=metadata.author or "",
        approval_status=metadata.approval.status,
        metrics=metadata.metrics,
        hyperparameters=metadata.hyperparameters,
        approval_by=metadata.approval.by,
        approval_at=metadata.approval.at,
        approval_why=metadata.approval.why,
        features=tuple(_described(feature) for feature in metadata.feature_schema.features),
        output=_output(metadata.feature_schema.output),
    )


def _described(feature: Feature) -> core.Feature:
    return core.Feature(
        feature.name, feature.type, feature.nullable, tuple(feature.values or ()), feature.minimum, feature.maximum
    )


def _output(described: dict[str, JsonValue]) -> core.Output:
    threshold = described.get("threshold")
    return core.Output(str(described.get("name", "")), threshold if isinstance(threshold, int | float) else None)


def _document(data: bytes, name: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) < len(pairs):
            twice = next(key for n, (key, _) in enumerate(pairs) if key in dict(pairs[:n]))
            raise ValueError(f"the key {short(twice)} is written twice")
        return document

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a JSON number")

    try:
        document = json.loads(data.decode(), object_pairs_hook=unique, parse_constant=refuse)
        json.dumps(document, allow_nan=False, ensure_ascii=False).encode()  # no 1e999, no unpaired surrogates
    except json.JSONDecodeError as error:
        raise wrong([f"line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}"], name) from error
    except (ValueError, RecursionError) as error:
        raise wrong([f"not valid JSON: {error}"], name) from error
    if not isinstance(document, dict):
        raise wrong([f"expected an object; found {short(document)}"], name)
    return document


def _contradictions(document: dict[str, Any], metadata: Metadata) -> list[str]:
    """Mistakes between fields, or beyond what a field's type says."""
    lines = [
        f"files: {short(file)} is not the name of a file inside the folder"
        for file in metadata.files
        if not _FILE.fullmatch(file) or file == "metadata.json"
    ]
    if metadata.model_file not in metadata.files:
        lines.append(f"model_file: {short(metadata.model_file)} is not one of `files`")
    for key, table in (("holdout", metadata.holdout), ("baseline", metadata.baseline)):
        if table is not None and table.file not in metadata.files:
            lines.append(f"{key}.file: {short(table.file)} is not one of `files`")
    if sum(entry.bytes for entry in metadata.files.values()) > MAX_BYTES:
        lines.append(f"files: more than {MAX_BYTES:,} bytes together")
    digest = f"sha256:{canonical_digest(document['feature_schema'])}"
    if metadata.feature_schema_digest != digest:
        found = short(metadata.feature_schema_digest)
        lines.append(f"feature_schema_digest: found {found}; the schema's digest is {digest}")
    names = [feature.name for feature in metadata.feature_schema.features]
    if len(names) != len(set(names)):
        lines.append("feature_schema.features: two features have the same name")
    for n, feature in enumerate(metadata.feature_schema.features):
        if (feature.type == "category") != bool(feature.values):
            lines.append(f"feature_schema.features[{n}].values: a category, and only a category, lists its values")
    try:
        datetime.fromisoformat(metadata.trained_at)
    except ValueError:
        lines.append(f"trained_at: found {short(metadata.trained_at)}; expected a time such as 2026-11-23T06:00:00Z")
    return lines


def wrong(lines: list[str], name: str) -> Refused:
    """The error for a file with these mistakes."""
    shown = [f"{name}: {line}" for line in lines[:_SHOWN]]
    if len(lines) > _SHOWN:
        shown.append(f"{name}: and {len(lines) - _SHOWN:,} more")
    return Refused("\n".join(shown), fix=f"write the file again as {CONTRACT} says", state="nothing changed")


def _dotted(place: tuple[int | str, ...]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:60]}" for part in place)
    return path.lstrip(".")


def short(value: object) -> str:
    """A value as JSON, cut to one line."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
