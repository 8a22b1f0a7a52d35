"""Everything that differs between environments, read from environment variables of the same (upper-case) name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, HttpUrl, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from backend_api.labels.bucket import open_bucket

Seconds = Annotated[float, Field(gt=0, le=300)]
Percent = Annotated[float, Field(ge=0, le=100)]
_LOCAL_MODEL_SERVICE = "http://127.0.0.1:8001"
_AWS_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", re.ASCII)
_HTTP_URL = TypeAdapter(HttpUrl)
_SOURCE = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
_TOKEN = re.compile(r"[!-+\--<>-~]{20,200}", re.ASCII)
_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


class WrongSetting(ValueError):
    """A setting that can't be used, found only when it is; the message begins with its name."""


def http_address(url: str) -> str:
    """The URL as requests need it: escaped, and without a slash at its end. Raises ValueError."""
    try:
        checked = _HTTP_URL.validate_python(url)
    except ValidationError as error:
        raise ValueError(error.errors(include_url=False)[0]["msg"]) from error
    if checked.query is not None or checked.fragment is not None:
        raise ValueError("expected an address without ? and #")
    return str(checked).rstrip("/")


def _without_endpoint(found: dict[str, Any]) -> str | None:
    return None if found.get("sagemaker_endpoint") else _LOCAL_MODEL_SERVICE


class Settings(BaseSettings):
    """Built once, in `main.create_app` or by whoever calls it; never at import."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    database_url: str = Field(default="sqlite:///./ontime.db", repr=False)
    database_pool: int = Field(default=5, ge=1, le=100, description="connections that one task keeps at most")
    store_timeout: Seconds = Field(default=3.0, description="a request waits this long for its commit")
    store_queue: int = Field(default=2000, ge=1, description="requests that may wait for a commit; more is a 503")

    sagemaker_endpoint: str | None = Field(default=None, description="the endpoint's name")
    sagemaker_variant: str | None = Field(
        default=None, description="default: by the weights of the endpoint's variants"
    )
    model_service_url: str | None = Field(default_factory=_without_endpoint)
    model_sagemaker_percent: Percent = Field(default=0, description="share of the clients that the endpoint answers")
    model_compare_percent: Percent = Field(default=0, description="share of the requests that both routes are asked")
    model_compare_tolerance: float = Field(default=1e-6, ge=0, le=1, description="probabilities this close agree")
    model_connect_timeout: Seconds = 0.5
    model_read_timeout: Seconds = 2.0
    model_deadline: Seconds = Field(default=3.0, description="all attempts together")
    model_retries: int = Field(default=2, ge=0, le=10, description="further attempts after the first")
    model_retry_pause: Seconds = Field(default=0.1, description="longest pause before the first retry; then doubled")
    model_connections: int = Field(default=100, ge=1, le=10_000)
    model_idle_timeout: Seconds = Field(default=4.0, description="below what the other side keeps idle connections")

    labels: str | None = Field(default=None, description="file:// or s3://: the bucket that outcomes are written into")
    endpoint_name: str | None = Field(default=None, description="under which requests are captured, and labels lie")
    outcome_sources: Annotated[dict[str, str], NoDecode] = Field(
        default={}, repr=False, description="name=token, comma-separated: who may correct outcomes"
    )

    late_threshold: float = Field(default=0.5, gt=0, lt=1, description="`late` from this probability on")
    body_limit: int = Field(default=64 * 1024, ge=1024, description="bytes")
    body_timeout: Seconds = Field(default=10.0, description="to receive a whole request body")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(default=(), description="comma-separated, or *")
    shutdown_timeout: Seconds = Field(default=20.0, description="requests in flight at SIGTERM get this long")
    reference_file: Path | None = Field(default=None, description="default: the one shipped with the code")

    shipway_environment: str = ""
    shipway_release: str = ""
    shipway_task: str = ""

    @field_validator("database_url")
    @classmethod
    def _known_driver(cls, url: str) -> str:
        scheme, separator, rest = url.partition("://")
        if not separator or scheme not in _DRIVERS:
            raise ValueError(f"expected a URL that starts with one of {', '.join(_DRIVERS)}, found scheme {scheme!r}")
        return f"{_DRIVERS[scheme]}://{rest}"

    @field_validator("sagemaker_endpoint", "sagemaker_variant", "endpoint_name")
    @classmethod
    def _name_on_aws(cls, name: str | None) -> str | None:
        if name is not None and not _AWS_NAME.fullmatch(name):
            raise ValueError(f"expected 1 to 63 letters and digits with dashes between them, found {name[:100]!r}")
        return name

    @field_validator("model_service_url")
    @classmethod
    def _as_it_is_sent(cls, url: str | None) -> str | None:
        return None if url is None else http_address(url)

    @field_validator("labels")
    @classmethod
    def _a_bucket(cls, url: str | None) -> str | None:
        if url is not None:
            open_bucket(url)
        return url

    @field_validator("outcome_sources", mode="before")
    @classmethod
    def _named_tokens(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        sources: dict[str, str] = {}
        for number, entry in enumerate(filter(None, map(str.strip, value.split(","))), start=1):
            name, equals, token = entry.partition("=")
            # Without what was found: it may be a token.
            if not equals or not _SOURCE.fullmatch(name) or name == "device" or name in sources:
                raise ValueError(
                    f"entry {number}: expected name=token, each name once: lower-case letters, digits and dashes, "
                    "40 at most, and not device"
                )
            if not _TOKEN.fullmatch(token):
                raise ValueError(
                    f"entry {number}: expected a token of 20 to 200 printable ASCII characters without , ="
                )
            sources[name] = token
        return sources

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @property
    def labels_endpoint(self) -> str:
        """The endpoint that labels are for; empty where there are none to write."""
        return self.endpoint_name or self.sagemaker_endpoint or ""

    @model_validator(mode="after")
    def _labels_have_an_endpoint(self) -> Self:
        if self.labels is not None and not self.labels_endpoint:
            raise ValueError("ENDPOINT_NAME: needed with LABELS, found none; it is the model service's ENDPOINT_NAME")
        return self

    @model_validator(mode="after")
    def _routes_fit_together(self) -> Self:
        percent, compared = self.model_sagemaker_percent, self.model_compare_percent
        if self.sagemaker_endpoint is None:
            if percent:
                raise ValueError(f"MODEL_SAGEMAKER_PERCENT: {percent:g} needs SAGEMAKER_ENDPOINT, found none")
            if self.sagemaker_variant is not None:
                raise ValueError("SAGEMAKER_VARIANT: needs SAGEMAKER_ENDPOINT, found none")
            if compared:
                raise ValueError(f"MODEL_COMPARE_PERCENT: {compared:g} needs SAGEMAKER_ENDPOINT, found none")
        elif self.model_service_url is None:
            if percent < 100:
                raise ValueError(f"MODEL_SERVICE_URL: needed while MODEL_SAGEMAKER_PERCENT is {percent:g}, found none")
            if compared:
                raise ValueError(f"MODEL_COMPARE_PERCENT: {compared:g} needs MODEL_SERVICE_URL, found none")
        return self
