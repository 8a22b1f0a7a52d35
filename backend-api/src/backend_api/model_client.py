"""Asks the model service: bounded attempts, one deadline over all of them, and only usable answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json

from backend_api.config.settings import Settings
from backend_api.errors import ApiError
from backend_api.features import Feature
from backend_api.http_pool import BadAnswer, HttpPool

_RETRIED = frozenset({502, 503, 504})


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, protected_namespaces=(), allow_inf_nan=False)

    model_version: str = Field(min_length=1, max_length=100)
    predictions: list[Annotated[float, Field(ge=0, le=1)]] = Field(min_length=1, max_length=1)


@dataclass(frozen=True)
class Scored:
    """The model's word on one row."""

    probability: float
    model_version: str


class ModelClient:
    """Shared by all requests of a task; `close` at the end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = HttpPool(
            settings.model_service_url,
            connect_timeout=settings.model_connect_timeout,
            idle_timeout=settings.model_idle_timeout,
            connections=settings.model_connections,
        )

    def close(self) -> None:
        """Closes the idle connections."""
        self._pool.close()

    async def score(self, features: Mapping[str, Feature], headers: Mapping[str, str]) -> Scored:
        """The probability for one row; ApiError 503 when the service is away, 502 when its answer is nonsense."""
        body = to_json({"instances": [features]})
        status, answer = await self._ask(body, {"content-type": "application/json", **headers})
        if status != 200:
            raise _nonsense(f"it is a {status}: {answer[:300].decode(errors='replace')}")
        try:
            scored = _Answer.model_validate_json(answer)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in fault["loc"]) or "body"
            raise _nonsense(f"{where}: {fault['msg']}") from error
        return Scored(probability=scored.predictions[0], model_version=scored.model_version)

    async def _ask(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._settings.model_deadline
        reason = ""
        for attempt in range(self._settings.model_retries + 1):
            if attempt:
                # Full jitter: tasks that lost the same model task do not come back in step.
                pause = random.uniform(0, self._settings.model_retry_pause * 2 ** (attempt - 1))
                if clock() + pause >= deadline:
                    break
                await asyncio.sleep(pause)
            timeout = min(self._settings.model_read_timeout, deadline - clock())
            try:
                status, answer = await self._pool.request("POST", "/predict", headers, body, timeout)
            except TimeoutError as error:
                # Asking again would only add to what the service can't keep up with.
                raise _away(f"did not answer within {timeout:.3g} s") from error
            except OSError as error:
                reason = f"could not be reached ({type(error).__name__})"
                continue
            except BadAnswer as error:
                raise _nonsense(str(error)) from error
            if status not in _RETRIED:
                return status, answer
            reason = f"answered {status}"
        raise _away(reason)

    async def state(self, timeout: float) -> dict[str, str]:
        """What the model service says of itself, for `/ready`; never raises for a service that is away."""
        try:
            status, body = await self._pool.request("GET", "/ready", {}, b"", timeout)
            answer = from_json(body)
        except (OSError, TimeoutError, BadAnswer, ValueError) as error:
            return {"status": "unreachable", "reason": type(error).__name__}
        if status != 200 or not isinstance(answer, dict):
            return {"status": "not ready", "reason": f"answered {status}"}
        return {"status": "ready", "model_version": str(answer.get("model_version", ""))}


def _away(reason: str) -> ApiError:
    message = f"the model service {reason}; nothing was stored, try again"
    return ApiError(503, "model_unavailable", message, headers={"retry-after": "1"})


def _nonsense(reason: str) -> ApiError:
    return ApiError(502, "model_answer_invalid", f"the model service's answer is not usable: {reason}")
