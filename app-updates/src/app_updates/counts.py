"""What is told of all devices and bundles: queries over what all tasks keep, so any one of them answers for all."""

from __future__ import annotations

from sqlalchemy import Connection, case, func, select

from app_updates.contract.bundles import BundleCounts, Running, Told
from app_updates.rules import OTHER
from app_updates.tables import crash_devices, crashes, devices, failures, trials, vitals

_LATELY = 7 * 86_400.0
_MOST_VERSIONS = 200
"""Told of, those with the most devices: what devices call themselves must not flood whoever reads it."""


def told(connection: Connection, now: float) -> Told:
    """The counts of `GET /bundles`: starts and failures of devices that were offered the bundle, sessions of all."""
    counted = trials.c.offered_at.is_not(None)
    count = [
        func.sum(case((counted, 1), else_=0)),
        func.sum(case((counted & trials.c.started_at.is_not(None) & trials.c.failed_at.is_(None), 1), else_=0)),
        func.sum(case((counted & trials.c.failed_at.is_not(None), 1), else_=0)),
        func.sum(trials.c.sessions),
        func.sum(trials.c.errors),
    ]
    rows = connection.execute(
        select(trials.c.version, *count).group_by(trials.c.version).order_by(count[0].desc()).limit(_MOST_VERSIONS)
    ).all()
    failures = connection.execute(
        select(trials.c.version, trials.c.reason, func.count())
        .where(counted, trials.c.failed_at.is_not(None)).group_by(trials.c.version, trials.c.reason)
    ).all()  # fmt: skip
    running = connection.execute(
        select(devices.c.running, func.count(), func.max(devices.c.seen_at))
        .group_by(devices.c.running).order_by(func.count().desc()).limit(_MOST_VERSIONS)
    ).all()  # fmt: skip
    active = connection.execute(
        select(devices.c.native, func.count()).where(devices.c.seen_at >= now - _LATELY)
        .group_by(devices.c.native).order_by(func.count().desc()).limit(_MOST_VERSIONS)
    ).all()  # fmt: skip
    reasons: dict[str, dict[str, int]] = {}
    for version, reason, times in failures:
        reasons.setdefault(version, {})[reason] = int(times)
    return Told(
        {
            version: BundleCounts(
                int(offered), int(started), int(failed), int(sessions), int(errors), reasons.get(version, {})
            )
            for version, offered, started, failed, sessions, errors in rows
        },
        {version: Running(int(number), float(seen)) for version, number, seen in running if version != OTHER},
        {native: int(number) for native, number in active if native},
    )


def failed(connection: Connection) -> dict[str, int]:
    """How often devices told something bad of each version, as `GET /failures` tells it."""
    query = select(failures).order_by(failures.c.times.desc()).limit(_MOST_VERSIONS)
    return {row.version: int(row.times) for row in connection.execute(query)}


def taken_back(connection: Connection) -> list[dict[str, object]]:
    """Each device that was told to leave a bundle, with the reason; the newest thousand."""
    columns = (
        trials.c.device,
        trials.c.version,
        trials.c.taken_back_at,
        trials.c.taken_back_reason,
        devices.c.running,
        devices.c.seen_at,
    )
    query = select(*columns).join(devices, devices.c.id == trials.c.device).where(trials.c.taken_back_at.is_not(None))
    rows = connection.execute(query.order_by(trials.c.taken_back_at.desc()).limit(1_000)).mappings()
    return [dict(row) for row in rows]


def crash_groups(connection: Connection) -> list[dict[str, object]]:
    """Uncaught errors by version and place, with how often and on how many devices; the most recent 500."""
    same = (crash_devices.c.version == crashes.c.version, crash_devices.c.crash == crashes.c.crash)
    number = select(func.count()).where(*same).scalar_subquery()
    query = select(crashes, number.label("devices")).order_by(crashes.c.last_at.desc()).limit(500)
    return [dict(row) for row in connection.execute(query).mappings()]


def vital_buckets(connection: Connection) -> dict[str, dict[str, dict[int, int]]]:
    """How often each bucket of each web vital was told, by version."""
    found: dict[str, dict[str, dict[int, int]]] = {}
    for version, name, bucket, times in connection.execute(select(vitals)).all():
        found.setdefault(version, {}).setdefault(name, {})[bucket] = times
    return found
