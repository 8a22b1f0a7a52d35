"""Everything that differs between environments, read from environment variables of the same (upper-case) name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, HttpUrl, TypeAdapter, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0, le=300)]
_HTTP_URL = TypeAdapter(HttpUrl)
_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


class Settings(BaseSettings):
    """Built once, in `main.create_app` or by whoever calls it; never at import."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    database_url: str = Field(default="sqlite:///./ontime.db", repr=False)
    database_pool: int = Field(default=5, ge=1, le=100, description="connections that one task keeps at most")
    store_timeout: Seconds = Field(default=3.0, description="a request waits this long for its commit")
    store_queue: int = Field(default=2000, ge=1, description="requests that may wait for a commit; more is a 503")

    model_service_url: str = "http://127.0.0.1:8001"
    model_connect_timeout: Seconds = 0.5
    model_read_timeout: Seconds = 2.0
    model_deadline: Seconds = Field(default=3.0, description="all attempts together")
    model_retries: int = Field(default=2, ge=0, le=10, description="further attempts after the first")
    model_retry_pause: Seconds = Field(default=0.1, description="longest pause before the first retry; then doubled")
    model_connections: int = Field(default=100, ge=1, le=10_000)
    model_idle_timeout: Seconds = Field(default=4.0, description="below what the other side keeps idle connections")

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

    @field_validator("model_service_url")
    @classmethod
    def _no_trailing_slash(cls, url: str) -> str:
        _HTTP_URL.validate_python(url)
        return url.rstrip("/")

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
