"""What differs between environments, read from environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app_updates.signing import MAKE, KeyFault, SigningKey

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9.:\[\]-]+|\*")
_PUBLIC = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~/-]*)?")


class WrongSetting(ValueError):
    """A setting can't be used; the message begins with its name."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`parameter`, `bucket` and `counts` are addresses; without the first two and the key no bundle is offered."""

    environment: str
    parameter: str | None
    bucket: str | None
    counts: str | None
    key: SigningKey | None
    origins: tuple[str, ...]
    public_url: str | None
    first_word: float
    task: Mapping[str, str]

    @property
    def lacking(self) -> str | None:
        """Why no bundle is offered, with what mends it; None where all is there."""
        if self.key is None:
            return (
                f"no signing key: {MAKE.replace('ENVIRONMENT', self.environment or 'ENVIRONMENT')}, "
                "name APP_SIGNING_KEY under `secrets:` of this service, deploy"
            )
        if self.parameter is None or self.bucket is None:
            return "no bundles: Shipway sets APP_BUNDLE_PARAMETER and APP_BUNDLES_BUCKET where shipway.yaml has an app"
        return None


def read_settings(variables: Mapping[str, str]) -> Settings:
    """Raises WrongSetting."""
    origins = tuple(filter(None, map(str.strip, variables.get("CORS_ORIGINS", "").split(","))))
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise WrongSetting(
                f"CORS_ORIGINS: found {origin!r}, allowed are origins such as https://localhost, comma between"
            )
    public_url = variables.get("PUBLIC_URL") or None
    if public_url is not None and not _PUBLIC.fullmatch(public_url):
        raise WrongSetting(f"PUBLIC_URL: found {public_url!r}, allowed is an address such as https://app.example.com")
    return Settings(
        environment=variables.get("SHIPWAY_ENVIRONMENT", ""),
        parameter=variables.get("APP_BUNDLE_PARAMETER") or None,
        bucket=variables.get("APP_BUNDLES_BUCKET") or None,
        counts=variables.get("APP_BUNDLE_COUNTS") or None,
        key=_key(variables.get("APP_SIGNING_KEY", "")),
        origins=origins,
        public_url=public_url.rstrip("/") if public_url else None,
        first_word=_seconds(variables, "FIRST_WORD_SECONDS", 30.0),
        task={
            name: variables[f"SHIPWAY_{name.upper()}"]
            for name in ("environment", "release", "service", "task")
            if variables.get(f"SHIPWAY_{name.upper()}")
        },
    )


def _key(text: str) -> SigningKey | None:
    # A build's tests get every secret as the word `placeholder`.
    if text in ("", "placeholder"):
        return None
    try:
        return SigningKey.read(text)
    except KeyFault as error:
        raise WrongSetting(str(error)) from error


def _seconds(variables: Mapping[str, str], name: str, default: float) -> float:
    text = variables.get(name) or str(default)
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 < found <= 3600:
        raise WrongSetting(f"{name}: found {text!r}, allowed is a number of seconds above 0 and up to 3600")
    return found
