"""What the endpoints ask: chooses the route of a client, and the other one when that is unreachable or left alone."""

from __future__ import annotations

import asyncio

from backend_api.config.settings import Settings
from backend_api.errors import ApiError
from backend_api.logs import Logger
from backend_api.middleware import RequestContext
from backend_api.model_client.comparison import Comparison
from backend_api.model_client.http_route import HttpRoute
from backend_api.model_client.route import ModelRequest, Route, Scored, Unreachable, UnusableAnswer
from backend_api.model_client.share import in_share

FIGURES_EVERY = 60.0
"""Seconds between log lines with the figures of both routes: a task's own can't be asked from everywhere."""


class ModelClient:
    """Shared by all requests of a task: `start` first, `close` at the end."""

    def __init__(self, settings: Settings, log: Logger) -> None:
        """Raises WrongSetting where AWS's own settings are unusable."""
        self._settings = settings
        self._log = log
        self._http = HttpRoute(settings, settings.model_service_url, log) if settings.model_service_url else None
        self._sagemaker = None
        if settings.sagemaker_endpoint:
            # Imported here: a task without an endpoint does not pay for it.
            from backend_api.model_client.aws import Runtime
            from backend_api.model_client.sagemaker_route import SageMakerRoute

            self._sagemaker = SageMakerRoute(settings, Runtime.find(), log)
        self._both = self._http is not None and self._sagemaker is not None
        self._comparison = Comparison(settings, log) if settings.model_compare_percent else None
        self._telling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Whatever has to be there before the first request."""
        for route in self._routes():
            await route.start()
        if self._both:
            self._telling = asyncio.create_task(self._tell_figures())

    async def close(self) -> None:
        """Gives up comparisons and closes the connections."""
        if self._telling is not None:
            self._telling.cancel()
            self._log.info("model_routes", **self.figures())
        if self._comparison is not None:
            await self._comparison.close()
        for route in self._routes():
            await route.close()

    async def score(self, request: ModelRequest, context: RequestContext) -> Scored:
        """The answer; ApiError 503 when no route has the model, 502 when what it answered is not usable."""
        now = asyncio.get_running_loop().time()
        deadline = now + self._settings.model_deadline
        own, other = self._routes_of(context)
        first, second, patience = own, other, None
        if other is not None and _is_left_alone(own, other, now, deadline):
            first, second = other, own
            # The best hope is given up no sooner than leaves the other one its read timeout.
            read_timeout = self._settings.model_read_timeout
            patience = max(read_timeout, self._settings.model_deadline - read_timeout)
            context.notes["model_fell_back"] = f"{own.who} was not asked: its breaker is {own.breaker.state}"
        context.notes["model_route"] = first.name
        try:
            scored = await first.score(request, context, deadline, self._settings.model_retries, patience)
        except Unreachable as error:
            _note_detail(context, error)
            reason = f"{first.who} {error}"
            if second is None:
                raise _unavailable(reason) from error
            first.count_failure(now, error)
            scored = await self._by_the_second(second, request, context, deadline, reason)
            if second is not own:
                own.figures.fell_back += 1
        except UnusableAnswer as error:
            raise _unusable(first, error) from error
        else:
            if first is not own:
                own.figures.fell_back += 1
            elif self._comparison is not None and other is not None:
                self._comparison.offer(request, context, own, scored, other)
        return scored

    async def _by_the_second(
        self, second: Route, request: ModelRequest, context: RequestContext, deadline: float, reason: str
    ) -> Scored:
        """The answer of the route that was not asked first, in all that is left of the time: nobody comes after it.

        That may be little: no answer by then is no failure that its breaker counts.
        """
        if asyncio.get_running_loop().time() >= deadline:
            raise _unavailable(reason)
        context.notes.update(model_route=second.name, model_fell_back=reason)
        try:
            left = self._settings.model_deadline
            return await second.score(request, context, deadline, self._settings.model_retries, left)
        except Unreachable as also:
            _note_detail(context, also)
            raise _unavailable(f"{reason}, and {second.who} {also}") from also
        except UnusableAnswer as error:
            raise _unusable(second, error) from error

    def _routes_of(self, context: RequestContext) -> tuple[Route, Route | None]:
        """The client's own route, and the other one where there is one."""
        http, sagemaker = self._http, self._sagemaker
        if http is None or sagemaker is None:
            only = http or sagemaker
            assert only is not None  # the settings see to it
            return only, None
        if in_share(context.device_id or context.request_id, self._settings.model_sagemaker_percent):
            return sagemaker, http
        return http, sagemaker

    def _routes(self) -> list[Route]:
        return [route for route in (self._http, self._sagemaker) if route is not None]

    async def states(self, timeout: float) -> dict[str, dict[str, str]]:
        """How each route is, for `/ready`."""
        states = await asyncio.gather(*(route.state(timeout) for route in self._routes()))
        names = {"http": "model_service", "sagemaker": "sagemaker_endpoint"}
        return {names[route.name]: state for route, state in zip(self._routes(), states, strict=True)}

    def figures(self) -> dict[str, object]:
        """What each route was asked and how it did, and what comparing them found, since this task's start."""
        routes = {route.name: route.figures.to_json() for route in self._routes()}
        figures: dict[str, object] = {"routes": routes}
        if self._both:
            for route in self._routes():
                routes[route.name]["breaker"] = route.breaker.state
            figures["sagemaker_percent"] = self._settings.model_sagemaker_percent
        if self._comparison is not None:
            figures["comparison"] = self._comparison.to_json()
        return figures

    async def _tell_figures(self) -> None:
        while True:
            await asyncio.sleep(FIGURES_EVERY)
            self._log.info("model_routes", **self.figures())


def _is_left_alone(own: Route, other: Route, now: float, deadline: float) -> bool:
    """Whether to ask a client's other route first. With both to be left alone it is as if there were no breakers."""
    return not own.breaker.admits(now, deadline) and other.breaker.admits(now, deadline)


def _note_detail(context: RequestContext, error: Unreachable) -> None:
    if error.detail:
        context.notes["model_detail"] = error.detail


def _unavailable(reason: str) -> ApiError:
    message = f"{reason}; nothing was stored, try again"
    return ApiError(503, "model_unavailable", message, headers={"retry-after": "1"})


def _unusable(route: Route, error: UnusableAnswer) -> ApiError:
    return ApiError(502, "model_answer_invalid", f"{route.who}'s answer is not usable: {error}")
