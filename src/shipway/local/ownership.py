"""An app's Shipway belongs to one user of the machine: the others are told who that is, and what they can do."""

from __future__ import annotations

import os

from shipway.core.errors import Refused
from shipway.local.places import Places


def require_own(places: Places) -> None:
    """Raise Refused when the state here belongs to somebody else, who alone can talk to its daemon."""
    owner = owner_of(places)
    if owner is None or owner == os.getuid():
        return
    from shipway.local.whose import user_name  # psutil takes a while; only where the state is somebody else's

    name = user_name(owner)
    pid = daemon_of(places)
    runs = f"runs (process {pid})" if pid else "does not run"
    verb = "status" if pid else "up --detach"
    raise Refused(
        f"Shipway of {places.root} belongs to {name} and {runs}; nobody else can ask it anything",
        fix=f"ask {name}, or if you may act as {name}: sudo -u {name} shipway {verb}",
        state="nothing changed",
    )


def owner_of(places: Places) -> int | None:
    """The user id that owns the state; None where there is none yet."""
    try:
        return places.state.stat().st_uid
    except OSError:
        return None


def daemon_of(places: Places) -> int | None:
    """The process of the app's daemon by its command line, which everybody can see."""
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "shipway.server" in words and str(places.root) in words:
            return int(process.pid)
    return None
