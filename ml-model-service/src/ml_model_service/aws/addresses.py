"""Addresses of AWS's stores: `s3://bucket/prefix` and `ssm:///app/environment/model-version`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_PART = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9!_.*'()=@+-]+"
_S3 = re.compile(rf"s3://({_BUCKET})((?:/{_PART})*)/?")
_SSM = re.compile(r"ssm://((?:/[A-Za-z0-9_.-]+){1,15})")


@dataclass(frozen=True, slots=True)
class S3Address:
    """A bucket, and what the keys in it begin with: empty, or parts with `/` between."""

    bucket: str
    prefix: str = ""

    def __truediv__(self, name: str) -> S3Address:
        return S3Address(self.bucket, self.key(name))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """The key of what is called `name` below the prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name


def s3_in(url: str) -> S3Address | None:
    """The address that `url` names; None when it is no `s3:` URL of one.

    >>> s3_in("s3://models/ontime/")
    S3Address(bucket='models', prefix='ontime')
    """
    found = _S3.fullmatch(url)
    return S3Address(found[1], found[2].removeprefix("/")) if found else None


def ssm_in(url: str) -> str | None:
    """The name of the parameter that `url` names; None when it is no `ssm:` URL of one.

    >>> ssm_in("ssm:///ontime/dev/model-version")
    '/ontime/dev/model-version'
    """
    found = _SSM.fullmatch(url)
    return found[1] if found and len(found[1]) <= 900 else None
