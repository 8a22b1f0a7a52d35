"""A model version in memory. It exists only when its digests and its golden predictions were right."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ml_model_service import engines
from ml_model_service.engines import Engine
from ml_model_service.errors import Problem
from ml_model_service.formats.encoder import Encoder, Words
from ml_model_service.metadata import FeatureSchema, Golden, Metadata, digest_of, read_metadata, read_schema
from ml_model_service.versions.pickles import Bucket

MAX_METADATA, MAX_MODEL = 4 << 20, 1 << 30
PICKLE = "sklearn-pickle"
_GOLDEN = Words(lambda row, name: f"golden[{row}].instance.{name}")


class ModelError(ValueError):
    """A version that must not serve; the message says what did not verify."""


@dataclass(frozen=True, slots=True)
class Model:
    """A verified version. `digest` is the SHA-256 of the model file in hexadecimal."""

    version: str
    digest: str
    schema_digest: str
    name: str
    schema: FeatureSchema
    golden: tuple[Golden, ...]
    encoder: Encoder
    engine: Engine

    def predict(self, rows: Sequence[dict[str, Any]]) -> list[float]:
        """One prediction a row, in order. Raises Problem 422 when a row does not fit the schema."""
        return self.engine.predict(self.encoder.encode(rows), len(rows))

    @property
    def threshold(self) -> float | None:
        """Where a probability turns into the other decision; None for a model that gives no probabilities."""
        declared = self.schema.output.threshold
        likely = all(0 <= golden.prediction <= 1 for golden in self.golden)
        return declared if declared is not None else 0.5 if likely else None


def load(folder: Path, version: str | None = None, bucket: Bucket | None = None) -> Model:
    """Read and verify the version in `folder`, which must call itself `version` if that is given.

    `bucket` is where it lies, and says whether it may be a pickle; without one it may not.
    Raises ModelError when a file is missing, too large or altered, or a golden prediction is not reproduced.
    """
    try:
        return _load(folder, version, bucket or Bucket(folder))
    except OSError as error:
        raise ModelError(f"{folder.name}: cannot read {error.filename}: {error.strerror}") from error
    except ModelError:
        raise
    except MemoryError:
        raise
    except ValueError as error:
        raise ModelError(f"{folder.name}: {error}") from error
    except Exception as error:
        # files of any content reach several libraries here, and a version's fault must not end the task
        raise ModelError(f"{folder.name}: {type(error).__name__}: {error}") from error


def _load(folder: Path, version: str | None, bucket: Bucket) -> Model:
    described = read_metadata(_read(folder / "metadata.json", MAX_METADATA))
    if version is not None and described.version != version:
        raise ModelError(f"{folder.name}: metadata.json says version {described.version!r}")
    is_pickle = described.model_format == PICKLE
    data = _model_bytes(folder, described, bucket if is_pickle else None)
    if digest_of(described.feature_schema) != described.feature_schema_digest:
        raise ModelError(f"{folder.name}: the feature schema does not have the digest that metadata.json records")
    schema = read_schema(described.feature_schema)
    pickle_takes = described.input if is_pickle else None
    engine = engines.load(described.model_format, data, schema.features, described.onnx, pickle_takes)
    # a graph may take less than the schema says, such as whole numbers alone
    schema = replace(schema, features=getattr(engine, "features", schema.features))
    model = Model(
        version=described.version,
        digest=described.files[described.model_file].sha256,
        schema_digest=described.feature_schema_digest,
        name=described.name,
        schema=schema,
        golden=described.golden,
        encoder=Encoder(schema),
        engine=engine,
    )
    _check_golden(folder, model, described.tolerance)
    return model


def _model_bytes(folder: Path, described: Metadata, pickled_in: Bucket | None) -> bytes:
    """The model file, which is what the metadata records. A pickle is not even read where it may not be loaded."""
    name = described.model_file
    entry = described.files.get(name)
    if entry is None or Path(name).name != name:
        raise ModelError(f"{folder.name}: metadata.json lists no file {name!r} in its folder")
    path = folder / name
    data = _read(path if pickled_in is None else pickled_in.pickle(path), MAX_MODEL)
    if (len(data), hashlib.sha256(data).hexdigest()) != (entry.bytes, entry.sha256):
        raise ModelError(f"{folder.name}: {name} does not have the size and digest that metadata.json records")
    return data


def _check_golden(folder: Path, model: Model, tolerance: float) -> None:
    if not model.golden:
        raise ModelError(f"{folder.name}: metadata.json has no golden predictions to check the model by")
    try:
        values = model.encoder.encode([golden.instance for golden in model.golden], _GOLDEN)
    except Problem as problem:
        raise ModelError(f"{folder.name}: a golden request does not fit the schema: {problem.message}") from problem
    predictions = model.engine.predict(values, len(model.golden))
    for position, (golden, prediction) in enumerate(zip(model.golden, predictions, strict=True)):
        # written so that NaN fails
        if not abs(prediction - golden.prediction) <= tolerance:
            raise ModelError(
                f"{folder.name}: golden[{position}] predicts {prediction!r}, recorded is {golden.prediction!r}"
            )


def open_regular(path: str, flags: int) -> int:
    """The descriptor of a file. Raises OSError for a pipe or the like, which would be waited for without end."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no regular file", path)


def _read(path: Path, limit: int) -> bytes:
    with open(path, "rb", opener=open_regular) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ModelError(f"{path.parent.name}: {path.name} is larger than {limit} bytes")
    return data
