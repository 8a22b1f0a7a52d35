"""The endpoints: what the updater asks and the app tells (`/ota/…`), and what Shipway reads, which is not routed."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from app_updates import counts, rules, telemetry
from app_updates.contract.bundles import BUILTIN
from app_updates.following import Follower, Offering
from app_updates.limits import Limits
from app_updates.messages import (
    WrongMessage,
    device_named,
    parsed,
    read_check_in,
    read_first_word,
    read_stats,
    version_named,
)
from app_updates.requests import ANSWERS, Fault, read_body
from app_updates.settings import Settings
from app_updates.store import Store, StoreAway, StoreFull, Visit

log = logging.getLogger(__name__)
_FORGET_EVERY = 3_600.0
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?")
_UP_TO_DATE = {"kind": "up_to_date", "error": "no_new_version_available", "message": "No new version available"}


class Endpoints:
    """What answers; `follower` is None where nothing can be offered."""

    def __init__(self, settings: Settings, store: Store, follower: Follower | None, clock: Callable[[], float]) -> None:
        self._settings, self._store, self._follower, self._clock = settings, store, follower, clock
        self._limits = Limits()

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/ota/updates", self.update, methods=["POST"]),
            Route("/ota/stats", self.stats, methods=["POST"]),
            Route("/ota/started", self.started, methods=["POST"]),
            Route("/ota/channel", self.channel, methods=["GET", "POST", "PUT", "DELETE"]),
            Route("/ota/bundles/{version}.zip", self.bundle, methods=["GET"]),
            Route("/ota/v1/logs", self.logs, methods=["POST"]),
            Route("/ota/v1/traces", self.traces, methods=["POST"]),
            Route("/health", self.health, methods=["GET"]),
            Route("/ready", self.ready, methods=["GET"]),
            Route("/bundles", self.bundles, methods=["GET"]),
            Route("/failures", self.failures, methods=["GET"]),
            Route("/taken-back", self.taken_back, methods=["GET"]),
            Route("/crashes", self.crashes, methods=["GET"]),
        ]

    # --- the updater

    async def update(self, request: Request) -> Response:
        """Which bundle the device is to have."""
        asked = read_check_in(parsed(await read_body(request)))
        self._let_in(asked.device)
        offering = self._offering()

        def change(visit: Visit) -> str | None:
            now = self._clock()
            rules.check_in(visit.device, asked.running, asked.native, now, self._settings.first_word)
            return rules.offered(visit.device, offering.offer, offering.shelf, now)

        version = await self._visit(asked.device, change)
        if version is None:
            return JSONResponse(_UP_TO_DATE)
        if version == BUILTIN:
            return JSONResponse({"version": BUILTIN})
        ready = offering.ready[version]
        url = f"{self._address(request)}/ota/bundles/{version}.zip"
        return JSONResponse(
            {"version": version, "url": url, "checksum": ready.checksum, "session_key": ready.session_key}
        )

    async def bundle(self, request: Request) -> Response:
        """The encrypted zip. Range requests go on where a download was cut off."""
        version = request.path_params["version"]
        offering = self._offering()
        if offering.offer is not None and version in offering.offer.taken_back:
            raise Fault(410, "taken_back", f"{version} was taken back: {offering.offer.taken_back[version]}")
        ready = offering.ready.get(version)
        if ready is None:
            raise Fault(404, "unknown_bundle", "no such bundle is offered here")
        headers = {"etag": f'"{ready.bundle.digest}"', "cache-control": "public, max-age=31536000, immutable"}
        return FileResponse(ready.file, media_type="application/zip", headers=headers)

    async def stats(self, request: Request) -> Response:
        """What became of bundles, in the updater's words. A report that came twice counts once."""
        stats = read_stats(parsed(await read_body(request)))
        device = self._one_device({stat.device for stat in stats})

        def change(visit: Visit) -> None:
            now = self._clock()
            for stat in stats:
                rules.reported(visit.device, stat.action, stat.version, stat.mark, now)

        if device is not None:
            await self._visit(device, change)
        return JSONResponse({"status": "ok"})

    async def channel(self, request: Request) -> Response:
        """The channel is the environment, which the native app's id picks: no device chooses another."""
        name = self._settings.environment or "default"
        if request.method == "GET":
            return JSONResponse([{"id": name, "name": name, "public": True, "allow_self_set": False}])
        await read_body(request)
        if request.method == "PUT":
            return JSONResponse({"channel": name, "status": "default", "allowSet": False})
        raise Fault(400, "channel_self_set_not_allowed", f"the channel is the environment, here {name}")

    # --- the app

    async def started(self, request: Request) -> Response:
        """A page's first request. Where a file that spoke is not in the bundle, it is the word of the page before."""
        word = read_first_word(parsed(await read_body(request)))
        self._let_in(word.device)
        ready = self._offering().ready.get(word.version)
        stranger = ready is not None and word.file != "" and word.file not in ready.names
        if word.version == rules.OTHER or stranger:
            return JSONResponse({"status": "ignored", "message": "that file is not in the bundle that is named"})

        def change(visit: Visit) -> None:
            rules.spoke(visit.device, word.version, word.session, self._clock())

        await self._visit(word.device, change)
        return JSONResponse({"status": "ok"})

    async def logs(self, request: Request) -> Response:
        """Uncaught errors and web vitals, as OTLP/JSON."""
        found = list(telemetry.read_logs(parsed(await read_body(request))))
        device = self._one_device({source.device for source, _ in found})
        if device is not None:
            await self._visit(device, lambda visit: self._take(visit, found))
        return JSONResponse({"partialSuccess": {}})

    async def traces(self, request: Request) -> Response:
        """Spans go into the log, where the trace's other parts are looked for."""
        found = list(telemetry.read_spans(parsed(await read_body(request))))
        self._one_device({source.device for source, _ in found})
        for source, span in found:
            log.info("span", extra={"fields": {**asdict(span), "bundle": source.version}})
        return JSONResponse({"partialSuccess": {}})

    # --- Shipway

    async def health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """Ready once the database answers. What is offered, and what is wrong with it, is told but does not decide."""
        fault = await asyncio.to_thread(self._store.check)
        offer, follower = self._offering().offer, self._follower
        return JSONResponse(
            {
                "status": "ok" if fault is None else "not ready",
                "database": fault or "ok",
                "offered": None if offer is None else {"stable": offer.stable, "candidate": offer.candidate},
                "faults": [self._settings.lacking] if follower is None else follower.faults,
            },
            200 if fault is None else 503,
        )

    async def bundles(self, _request: Request) -> Response:
        """The counts of all bundles, of all tasks."""
        if self._settings.lacking is not None:
            raise Fault(503, "nothing_offered", self._settings.lacking)
        now = self._clock()
        told = await asyncio.to_thread(self._store.in_transaction, lambda connection: counts.told(connection, now))
        return Response(told.text(), media_type="application/json")

    async def failures(self, _request: Request) -> Response:
        """How often devices told something bad of each bundle: what has grown is worth a look at the counts."""
        return JSONResponse({"versions": await asyncio.to_thread(self._store.in_transaction, counts.failed)})

    async def taken_back(self, _request: Request) -> Response:
        return JSONResponse({"devices": await asyncio.to_thread(self._store.in_transaction, counts.taken_back)})

    async def crashes(self, _request: Request) -> Response:
        """Uncaught errors by bundle and place, and the 75th percentile of each web vital."""
        groups = await asyncio.to_thread(self._store.in_transaction, counts.crash_groups)
        buckets = await asyncio.to_thread(self._store.in_transaction, counts.vital_buckets)
        vitals = {
            version: {
                name: {"p75": round(telemetry.percentile(found, 0.75), 4), "times": sum(found.values())}
                for name, found in of.items()
            }
            for version, of in buckets.items()
        }
        return JSONResponse({"crashes": groups, "vitals": vitals})

    # --- shared

    def _let_in(self, device: str) -> None:
        seconds = self._limits.wait(device)
        if seconds:
            raise Fault(429, "too_many_requests", f"this device asks too often; wait {seconds} s", seconds)

    async def _visit(self, device: str, change: Callable[[Visit], Any]) -> Any:
        try:
            return await self._store.visit(device, change)
        except StoreFull as error:
            raise Fault(429, "too_many_requests", "more devices ask than can be answered", 10) from error
        except StoreAway as error:
            raise Fault(503, "storage_unavailable", "the database did not confirm; try again", 5) from error

    def _one_device(self, named: set[str]) -> str | None:
        """The device that a body comes from, let in; None where it tells nothing. Raises WrongMessage, Fault."""
        if len(named) > 1:
            raise WrongMessage(f"expected the words of one device, found {len(named)}")
        if not named:
            return None
        device = device_named(*named)
        if device is None:
            raise WrongMessage("device.id: expected 1 to 128 printable ASCII characters")
        self._let_in(device)
        return device

    def _take(self, visit: Visit, found: list[tuple[telemetry.Source, telemetry.Crash | telemetry.Vital]]) -> None:
        for source, record in found:
            version = version_named(source.version)
            if version == rules.OTHER:
                continue
            if isinstance(record, telemetry.Vital):
                visit.vitals.append((version, record))
            else:
                visit.crashes.append((version, record))
                rules.erred(visit.device, version, source.session, self._clock())

    def _offering(self) -> Offering:
        return Offering() if self._follower is None else self._follower.offering

    def _address(self, request: Request) -> str:
        """Where the device reached us, as the router says it."""
        if self._settings.public_url is not None:
            return self._settings.public_url
        scheme = request.headers.get("x-forwarded-proto", "http")
        host = request.headers.get("host", "")
        if scheme not in ("http", "https") or not _HOST.fullmatch(host):
            raise Fault(400, "wrong_host", "the Host header names no host")
        return f"{scheme}://{host}"


def create_app(settings: Settings, store: Store, follower: Follower | None, clock: Callable[[], float]) -> Starlette:
    """The application; it starts and ends the store and the follower."""
    endpoints = Endpoints(settings, store, follower, clock)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        store.start()
        if follower is not None:
            await asyncio.to_thread(follower.start)
        forgetting = asyncio.create_task(_forget(store))
        try:
            yield
        finally:
            forgetting.cancel()
            if follower is not None:
                await asyncio.to_thread(follower.close)
            await asyncio.to_thread(store.close)

    middleware = []
    if settings.origins:
        # The app's page is of another origin. The updater itself is native code, which knows no origins.
        cors = Middleware(
            CORSMiddleware, allow_origins=settings.origins, allow_methods=["POST"], max_age=3600,
            allow_headers=["content-type", "traceparent"], expose_headers=["retry-after"],
        )  # fmt: skip
        middleware.append(cors)
    return Starlette(routes=endpoints.routes, middleware=middleware, exception_handlers=ANSWERS, lifespan=lifespan)


async def _forget(store: Store) -> None:
    while True:
        try:
            gone = await asyncio.to_thread(store.forget)
            if gone:
                log.info("forgot %d devices that have not called for 90 days", gone)
        except StoreAway as error:
            log.warning("devices that have not called could not be looked for: %s", error)
        await asyncio.sleep(_FORGET_EVERY)
