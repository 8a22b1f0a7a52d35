"""The HTTP API: each route parses, calls one verb, and answers its JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shipway.core.errors import Refused, ShipwayError, UsageError, explained
from shipway.core.rollouts.machine import Command
from shipway.server import logs, views
from shipway.server.call import Answer, Call, Verb, Verbs, read_call
from shipway.server.disk_verbs import disk_verbs
from shipway.server.experiment_verbs import variant_verbs
from shipway.server.insiders import RefuseInsiders
from shipway.server.model_verbs import LENGTHY, model_verbs
from shipway.wiring import Platform

MAX_WAIT = 20.0
MAX_FOLLOWERS = 64
MAX_LENGTHY = 2


def make_api(platform: Platform, stop: Callable[[], None]) -> Starlette:
    """The application. `stop` ends the daemon's loop; it is called after the answer was sent."""
    control = platform.control

    def run_events(call: Call) -> Answer:
        after, wait = int(call.number("after", 0, 1e15)), call.number("wait", 0, MAX_WAIT)
        events = platform.store.events(control.run(call.path("id")).id, after, wait)
        return {"events": views.plain(events), "run": views.run(control.run(call.path("id")))}

    def answer(approved: bool) -> Verb:
        return lambda call: views.run(control.answer(call.path("id"), approved, call.who, call.text("why") or ""))

    def steer(command: Command) -> Verb:
        def verb(call: Call) -> Answer:
            control.steer(call.path("environment"), command, call.who, call.text("why") or "")
            return {"rollout": views.rollout(platform, call.path("environment"))}

        return verb

    def reload(call: Call) -> Answer:
        changed, trusted = platform.reload(call.who, call.flag("uncommitted"))
        return {"changed": changed, "authority": trusted}

    verbs: Verbs = {
        ("GET", "/v1/status"): lambda _: views.status(platform),
        ("GET", "/v1/runs"): lambda call: {
            "runs": [views.run(run) for run in control.runs()[: int(call.number("limit", 20, 1000))]]
        },
        ("POST", "/v1/runs"): lambda call: views.run(
            control.deploy(call.text("commit"), call.text("environment"), call.who)
        ),
        ("GET", "/v1/runs/{id}"): lambda call: views.whole_run(platform, call.path("id")),
        ("GET", "/v1/runs/{id}/events"): run_events,
        ("POST", "/v1/runs/{id}/approve"): answer(True),
        ("POST", "/v1/runs/{id}/reject"): answer(False),
        ("POST", "/v1/runs/{id}/retry"): lambda call: views.run(control.retry(call.path("id"), call.who)),
        ("POST", "/v1/environments/{environment}/pause"): steer("pause"),
        ("POST", "/v1/environments/{environment}/resume"): steer("resume"),
        ("POST", "/v1/environments/{environment}/promote"): steer("promote"),
        ("POST", "/v1/environments/{environment}/abort"): steer("abort"),
        ("POST", "/v1/environments/{environment}/rollback"): lambda call: views.run(
            control.roll_back(call.path("environment"), call.who, call.text("why") or "")
        ),
        ("GET", "/v1/releases"): lambda call: views.releases(platform, int(call.number("limit", 20, 1000))),
        **model_verbs(platform),
        **variant_verbs(platform),
        **disk_verbs(platform),
        ("GET", "/v1/logs"): lambda call: logs.of_tasks(platform, call),
        ("GET", "/v1/logs/daemon"): lambda call: logs.of_daemon(platform, call),
        ("GET", "/v1/logs/build"): lambda call: logs.of_build(platform, call),
        ("GET", "/v1/audit"): lambda call: {
            "entries": views.plain(platform.store.audit(int(call.number("limit", 50, 10_000))))
        },
        ("POST", "/v1/reload"): reload,
    }

    async def down(request: Request) -> Response:
        call = await read_call(request)

        def last() -> None:
            platform.stopping.set()
            if not call.flag("keep_tasks"):
                platform.target.stop_everything()
            stop()

        return JSONResponse({"stopped": True}, background=BackgroundTask(last))

    async def alive(_: Request) -> Response:
        return JSONResponse({})

    # Who follows a run, or compares models, waits in threads of its own kind: an abort always gets through.
    followers, lengthy = CapacityLimiter(MAX_FOLLOWERS), CapacityLimiter(MAX_LENGTHY)
    routes = [
        Route(
            path,
            _endpoint(verb, followers if verb is run_events else lengthy if (method, path) in LENGTHY else None),
            methods=[method],
        )
        for (method, path), verb in verbs.items()
    ]
    routes.append(Route("/v1/down", down, methods=["POST"]))
    # Needs no thread: it tells a daemon that is busy from one that has stopped.
    routes.append(Route("/v1/alive", alive, methods=["GET"]))
    return Starlette(
        routes=routes,
        middleware=[Middleware(RefuseInsiders, state=platform.places.state)],
        exception_handlers={ShipwayError: _refusal, OSError: _refusal, HTTPException: _not_found},
    )


def _endpoint(verb: Verb, limiter: CapacityLimiter | None) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        call = await read_call(request)
        return JSONResponse(await to_thread.run_sync(verb, call, limiter=limiter))

    return endpoint


async def _refusal(_: Request, error: Exception) -> Response:
    error = explained(error) if isinstance(error, OSError) else error
    assert isinstance(error, ShipwayError)
    status = 400 if isinstance(error, UsageError) else 409 if isinstance(error, Refused) else 500
    told = {"what": error.what, "fix": error.fix, "state": error.state, "exit_code": error.exit_code}
    return JSONResponse({"error": told}, status)


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.url.path}: {error.detail}"
    return JSONResponse({"error": {"what": what, "fix": "", "state": "", "exit_code": 2}}, error.status_code)
