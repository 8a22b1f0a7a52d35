"""HTTP over the table of verbs: who calls, how large a body may be, which calls wait where, errors as answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shipway.core.desk import ControlPlane
from shipway.core.errors import Refused, ShipwayError, UsageError, explained
from shipway.server.verbs.call import Answer, Call, Verb
from shipway.server.verbs.daemon import control_verbs
from shipway.server.verbs.table import FOLLOWING, LENGTHY

MAX_BODY = 512 * 1024
"""Bytes. Room for a secret of 64 KiB, whose characters JSON may write as six each."""
MAX_FOLLOWERS = 64
MAX_LENGTHY = 2
Endpoint = Callable[[Request], Awaitable[Response]]


def make_api(control: ControlPlane, end: Callable[[], None]) -> Starlette:
    """The application. `end` ends the daemon's loop; it is called after the answer was sent."""

    def endpoint(
        verb: Verb, limiter: CapacityLimiter | None = None, then: Callable[[Call], None] | None = None
    ) -> Endpoint:
        async def answer(request: Request) -> Response:
            body = await _body(request)

            def carry_out() -> tuple[Call, Answer]:
                # User and process id stand where the client's address and port would: see `peer`.
                user, process = request.client or ("-1", 0)
                who = control.caller(int(user), process, decides=request.method != "GET")
                call = Call(who, request.path_params, request.query_params, body)
                return call, verb(call)

            call, found = await to_thread.run_sync(carry_out, limiter=limiter)
            return JSONResponse(found, background=BackgroundTask(then, call) if then is not None else None)

        return answer

    def down(call: Call) -> None:
        control.stop(keep_tasks=call.flag("keep_tasks"))
        end()

    async def alive(_: Request) -> Response:
        return JSONResponse({})

    # Who follows a run, or compares models, waits in threads of its own kind: an abort always gets through.
    followers, lengthy = CapacityLimiter(MAX_FOLLOWERS), CapacityLimiter(MAX_LENGTHY)
    limiters = dict.fromkeys(FOLLOWING, followers) | dict.fromkeys(LENGTHY, lengthy)
    routes = [
        Route(path, endpoint(verb, limiters.get((method, path))), methods=[method])
        for (method, path), verb in control_verbs(control).items()
    ]
    routes.append(Route("/v1/down", endpoint(lambda _: {"stopped": True}, then=down), methods=["POST"]))
    # Needs no thread: it tells a daemon that is busy from one that has stopped.
    routes.append(Route("/v1/alive", alive, methods=["GET"]))
    return Starlette(
        routes=routes, exception_handlers={ShipwayError: _refusal, OSError: _refusal, HTTPException: _not_found}
    )


async def _body(request: Request) -> Answer:
    """The JSON body, empty where there is none. Raises UsageError for one that is too large or no JSON object."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise UsageError(f"the body is larger than {MAX_BODY:,} bytes")
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise UsageError("the body is not a JSON object")
    return body


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
