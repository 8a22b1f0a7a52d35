"""What the environment says: where model versions lie, which is wanted, and the limits of a request."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_model_service.aws.addresses import S3Address, s3_in
from ml_model_service.file_url import path_in
from ml_model_service.versions.pickles import Bucket, bucket_at, trusted_by

_ENDPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
BAKED = Path(__file__).parents[2] / "models"
# where SageMaker puts the model of an endpoint, and those of a multi-model endpoint
HOSTED, HOSTED_MODELS = Path("/opt/ml/model"), Path("/opt/ml/models")


class SettingsError(ValueError):
    """A variable has a value that cannot be used; the message names it and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """`bucket` is None when the model baked into the image (`baked`) is to be served.

    `pickles` are the buckets whose pickles may be loaded, folders by their real paths.
    """

    bucket: Path | S3Address | None = None
    parameter: str | None = None
    baked: Path = BAKED
    pickles: tuple[Path | S3Address, ...] = ()
    max_body: int = 6 * 1024 * 1024
    max_rows: int = 10_000
    body_timeout: float = 30.0
    drain_timeout: int = 25
    request_log: bool = True
    endpoint: str | None = None
    capture: str | None = None
    capture_percent: float = 100.0
    capture_mask: tuple[str, ...] = ()
    capture_memory: int = 32 * 1024 * 1024
    capture_seconds: int = 60
    multi_model: bool = False
    models_root: Path = HOSTED_MODELS
    models_memory: int = 1024 * 1024 * 1024
    labels: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, environ: Mapping[str, str], *, hosted: bool = False) -> Settings:
        """Settings from environment variables; `hosted`: SageMaker has a place for the model. Raises SettingsError."""
        bucket, parameter = _bucket(environ.get("MODEL_BUCKET") or ""), environ.get("MODEL_VERSION_PARAMETER")
        if parameter and bucket is None:
            raise SettingsError("MODEL_VERSION_PARAMETER is set but MODEL_BUCKET is not: set both, or neither")
        if bucket is not None and not parameter:
            latest = bucket / "latest"
            parameter = latest.as_uri() if isinstance(latest, Path) else str(latest)
        return cls(
            bucket=bucket,
            parameter=parameter or None,
            baked=Path(environ.get("MODEL_BAKED") or (HOSTED if hosted else BAKED)),
            pickles=_trusted(environ),
            max_body=_whole(environ, "MAX_BODY_BYTES", cls.max_body, 1, 1 << 30),
            max_rows=_whole(environ, "MAX_ROWS", cls.max_rows, 1, 1_000_000),
            body_timeout=_whole(environ, "BODY_TIMEOUT_SECONDS", int(cls.body_timeout), 1, 600),
            drain_timeout=_whole(environ, "DRAIN_TIMEOUT_SECONDS", cls.drain_timeout, 1, 600),
            request_log=_one_of(environ, "REQUEST_LOG", ("all", "none")) == "all",
            endpoint=check_endpoint(environ.get("ENDPOINT_NAME") or None),
            capture=environ.get("CAPTURE") or None,
            capture_percent=_whole(environ, "CAPTURE_PERCENT", 100, 0, 100),
            capture_mask=_names(environ.get("CAPTURE_MASK", "")),
            capture_memory=_whole(environ, "CAPTURE_MEMORY_BYTES", cls.capture_memory, 1 << 16, 1 << 30),
            capture_seconds=_whole(environ, "CAPTURE_SECONDS", cls.capture_seconds, 1, 3600),
            multi_model=hosted and environ.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true",
            models_root=Path(environ.get("MODELS_ROOT") or HOSTED_MODELS),
            models_memory=_whole(environ, "MODELS_MEMORY_BYTES", cls.models_memory, 1 << 20, 1 << 40),
            labels=tuple(
                (label, environ[variable])
                for label, variable in (
                    ("environment", "SHIPWAY_ENVIRONMENT"),
                    ("release", "SHIPWAY_RELEASE"),
                    ("service", "SHIPWAY_SERVICE"),
                    ("task", "SHIPWAY_TASK"),
                )
                if environ.get(variable)
            ),
        )

    def bucket_at(self, folder: Path) -> Bucket:
        """The bucket in `folder`, and whether MODEL_PICKLES names it."""
        return bucket_at(folder, self.pickles)


def _bucket(text: str) -> Path | S3Address | None:
    if not text:
        return None
    if "://" not in text:
        return Path(text).absolute()
    found = path_in(text) or s3_in(text)
    if found is None:
        allowed = "a folder, file:///path/of/a/folder or s3://bucket/prefix"
        raise SettingsError(f"MODEL_BUCKET: found {text!r}, allowed is {allowed}")
    return found


def _trusted(environ: Mapping[str, str]) -> tuple[Path | S3Address, ...]:
    try:
        return trusted_by(environ.get("MODEL_PICKLES") or "")
    except ValueError as error:
        allowed = "absolute paths, file:///… or s3://… of buckets, comma between"
        raise SettingsError(f"MODEL_PICKLES: found {str(error)!r}, allowed are {allowed}") from None


def check_endpoint(name: str | None) -> str | None:
    """The endpoint's name, which becomes a folder's where answers are captured. Raises SettingsError."""
    if name is not None and _ENDPOINT.fullmatch(name) is None:
        raise SettingsError(f"ENDPOINT_NAME: found {name!r}, allowed are letters, digits and . _ - (up to 63)")
    return name


def _names(text: str) -> tuple[str, ...]:
    """Features' names with a comma between; as in CSV, quotes around one that has a comma of its own."""
    fields = next(csv.reader([text], skipinitialspace=True), [])
    return tuple(field.strip() for field in fields if field.strip())


def _whole(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environ.get(name) or str(default)
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise SettingsError(f"{name}: found {text!r}, allowed is a whole number from {low} to {high}")
    return value


def _one_of(environ: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    text = environ.get(name) or allowed[0]
    if text not in allowed:
        raise SettingsError(f"{name}: found {text!r}, allowed: {', '.join(allowed)}")
    return text
