"""Where bundles and the offer lie: a folder and a file of this machine, or S3 and Parameter Store."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9!_.*'()=@+-]+)*)/?")
_LONGEST_INTERVAL = 30.0
_SSM = re.compile(r"ssm://((?:/[A-Za-z0-9_.-]+){1,15})")


class Unreadable(Exception):
    """Something could not be read now; the message says what and why. It may be readable at the next look."""


class Unwritable(Exception):
    """Something could not be written now; the message says what and why."""


class WrongPlace(ValueError):
    """An address that names no place; the message says what is allowed."""


class Parameter(Protocol):
    """A text that changes as a whole."""

    @property
    def interval(self) -> float:
        """Seconds until the next look."""
        ...

    def read(self) -> bytes:
        """The text now. May block. Raises Unreadable."""
        ...


class FileParameter:
    """A file that is replaced by rename."""

    interval = 0.1

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes:
        return read_file(self._path)


class StoreParameter:
    """A parameter of AWS's Parameter Store. Tasks that were started together do not ask together.

    Failures in a row double the time to the next look, so that tasks do not add to what throttles them.
    """

    def __init__(self, name: str) -> None:
        self._name, self._client = name, _client("ssm", attempts=1)
        self._failures = 0

    @property
    def interval(self) -> float:
        return min(1.5 * 2.0 ** min(self._failures, 10), _LONGEST_INTERVAL) * random.uniform(0.8, 1.2)

    def read(self) -> bytes:
        try:
            text = str(self._client.get_parameter(Name=self._name)["Parameter"]["Value"])
        except _faults() as error:
            self._failures += 1
            raise Unreadable(f"cannot read ssm://{self._name}: {_told(error)}") from error
        self._failures = 0
        return text.encode()


Bucket = Callable[[str], bytes]
"""Reads what lies at a key such as `1.0.0-4f53cda18c2b/bundle.zip`. May block. Raises Unreadable."""


def parameter_at(url: str) -> Parameter:
    """The parameter that `url` names. Raises WrongPlace."""
    path, name = _path_in(url), _SSM.fullmatch(url)
    if path is not None:
        return FileParameter(path)
    if name is not None:
        return StoreParameter(name[1])
    raise WrongPlace(
        f"APP_BUNDLE_PARAMETER: found {url!r}, allowed is file:///path/of/a/file or ssm:///name/of/a/parameter"
    )


def bucket_at(url: str, largest: int) -> Bucket:
    """The bucket that `url` names; of one object at most `largest` bytes are read, and one more. Raises WrongPlace."""
    path, found = _path_in(url), _S3.fullmatch(url)
    if path is not None:
        return lambda key: read_file(path / key, largest)
    if found is None:
        raise WrongPlace(
            f"APP_BUNDLES_BUCKET: found {url!r}, allowed is file:///path/of/a/folder or s3://bucket/prefix"
        )
    name, prefix, client = found[1], found[2].removeprefix("/"), _client("s3", attempts=3)

    def read(key: str) -> bytes:
        full = f"{prefix}/{key}" if prefix else key
        try:
            with closing(client.get_object(Bucket=name, Key=full)["Body"]) as body:
                return bytes(body.read(largest + 1))
        except _faults() as error:
            raise Unreadable(f"cannot read s3://{name}/{full}: {_told(error)}") from error

    return read


def put_at(url: str) -> Callable[[str, bytes], None]:
    """Writes objects of JSON below an address in S3. It may block. Raises Unwritable, and WrongPlace at once."""
    found = _S3.fullmatch(url)
    if found is None:
        raise WrongPlace(f"APP_BUNDLE_COUNTS: found {url!r}, allowed is s3://bucket/prefix")
    name, prefix, client = found[1], found[2].removeprefix("/"), _client("s3", attempts=3)

    def put(key: str, body: bytes) -> None:
        full = f"{prefix}/{key}" if prefix else key
        try:
            client.put_object(Bucket=name, Key=full, Body=body, ContentType="application/json")
        except _faults() as error:
            raise Unwritable(f"cannot write s3://{name}/{full}: {_told(error)}") from error

    return put


def read_file(path: Path, largest: int = 2**20) -> bytes:
    """At most `largest` bytes of a file, and one more. Raises Unreadable."""
    try:
        with path.open("rb") as file:
            return file.read(largest + 1)
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror}") from error


def _path_in(url: str) -> Path | None:
    """The path as it stands, or percent-encoded as URLs have it: the one that is there counts."""
    rest = url.removeprefix("file://")
    if not url.startswith("file:///"):
        return None
    return Path(rest) if Path(rest).exists() or not Path(unquote(rest)).parent.is_dir() else Path(unquote(rest))


def _client(service: str, *, attempts: int) -> Any:
    """Imported only where an address names AWS: botocore costs a third of a second of CPU. Raises WrongPlace."""
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    # ECS tells AWS_REGION, botocore reads AWS_DEFAULT_REGION.
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None
    config = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": attempts})
    try:
        return Session().create_client(service, region, config=config)
    except (BotoCoreError, ValueError) as error:
        raise WrongPlace(f"{error} Tasks on ECS are told AWS_REGION; elsewhere set it yourself.") from error


def _faults() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError, OSError)


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
