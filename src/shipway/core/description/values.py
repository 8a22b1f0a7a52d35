"""The values of `shipway.yaml`: names, durations, shares, sizes, hosts, paths; each says what it expects."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from shipway.core.description.request_path import checked

NAME = r"^[a-z][a-z0-9-]{0,39}$"
HOST = r"^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?$"
"""A name or an IPv4 address, and maybe a port."""

ORIGIN = r"^[a-z][a-z0-9+.-]{0,19}://[A-Za-z0-9.-]{1,100}(?::[0-9]{1,5})?$"
"""Scheme, host and maybe a port, as browsers and web views send it: `https://localhost`, `capacitor://localhost`."""

_SIZES = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: object) -> object:
    """`500ms`, `30s`, `10m`, `24h`, `7d`, or a number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a duration such as 500ms, 30s, 10m, 24h or 7d")
    return float(match[1]) * _UNITS[match[2]]


def _share(value: object) -> object:
    """`5%` or a number of percent."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?%", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a percentage such as 5%")
    return float(match[1])


def _bytes(value: object) -> object:
    """`512KiB`, `10MiB`, `1GiB`, or a number of bytes."""
    size = value if isinstance(value, int) and not isinstance(value, bool) else 0
    if isinstance(value, str) and (match := re.fullmatch(r"([0-9]{1,9}) ?(KiB|MiB|GiB)", value)):
        size = int(match[1]) * _SIZES[match[2]]
    if not 1 <= size <= 100 * _SIZES["GiB"]:
        raise ValueError("expected a size such as 512KiB, 10MiB or 1GiB, from 1 byte to 100GiB")
    return size


def _host(value: object) -> object:
    """A name or an IPv4 address, and maybe a port."""
    if not isinstance(value, str) or not re.fullmatch(HOST, value):
        raise ValueError("expected a host, such as localhost, shop.example or shop.example:8000")
    return value


def _origin(value: object) -> object:
    """Scheme, host and maybe a port."""
    if not isinstance(value, str) or not re.fullmatch(ORIGIN, value):
        raise ValueError("expected an origin, such as https://shop.example or capacitor://localhost")
    return value


Seconds = Annotated[float, Field(ge=0, le=30 * 86400), BeforeValidator(seconds)]
Days = Annotated[float, Field(ge=0, le=3650 * 86400), BeforeValidator(seconds)]
Bytes = Annotated[int, BeforeValidator(_bytes)]
Host = Annotated[str, BeforeValidator(_host)]
Origin = Annotated[str, BeforeValidator(_origin)]
Percent = Annotated[float, Field(ge=0, le=100), BeforeValidator(_share)]
Name = Annotated[str, Field(pattern=NAME)]
STORED = {"stored": True}
"""The validation context of a description that a release was made with: rules that came later do not make it unreadable."""


def was_stored(info: ValidationInfo) -> bool:
    """Whether the description is read from a release's record."""
    return info.context == STORED


def _request_path(path: str, info: ValidationInfo) -> str:
    return path if was_stored(info) else checked(path)


RequestPath = Annotated[str, Field(pattern=r"^/"), AfterValidator(_request_path)]
Port = Annotated[int, Field(ge=1, le=65535)]
Strategy = Literal["all_at_once", "rolling", "blue_green", "canary", "linear"]


class Strict(BaseModel):
    """A part of the description: an unknown key is an error, and nothing changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
