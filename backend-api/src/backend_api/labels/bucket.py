"""Where labels are written: a folder of this machine, or S3."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

_TIMEOUT = 10


class BucketError(Exception):
    """Nothing was written, or nobody knows whether it was; the text says why."""


class Bucket(Protocol):
    """Files by key, each written whole or not at all."""

    def put(self, key: str, content: bytes) -> None:
        """Blocks until the file is there. Raises BucketError."""


def open_bucket(url: str) -> Bucket:
    """The bucket at `file:///folder` or `s3://name/prefix`. Raises ValueError for another address."""
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return Folder(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return S3(parts.netloc, parts.path.strip("/"))
    raise ValueError(f"expected file:///path/of/a/folder or s3://bucket/prefix, found {url[:200]!r}")


class Folder:
    """Readers never see a file that is not whole: it is written under a hidden name and then renamed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, key: str, content: bytes) -> None:
        """See `Bucket`."""
        path = self._path / key
        hidden = path.with_name(f".{path.name}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with hidden.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            hidden.rename(path)
        except OSError as error:
            with suppress(OSError):
                hidden.unlink()
            raise BucketError(f"{self._path}: {error.strerror or error}") from error


class S3:
    """With the region, credentials and address that AWS's own variables tell; found at the first label."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._client: Any = None

    def put(self, key: str, content: bytes) -> None:
        """See `Bucket`."""
        # Imported here: a task that writes no labels to S3 does not pay for it.
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.session import Session

        try:
            if self._client is None:
                config = Config(connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"total_max_attempts": 2})
                self._client = Session().create_client("s3", config=config)
            self._client.put_object(
                Bucket=self._bucket, Key=f"{self._prefix}{key}", Body=content, ContentType="application/jsonlines"
            )
        except (BotoCoreError, ClientError, ValueError) as error:
            raise BucketError(f"s3://{self._bucket}: {error}") from error
