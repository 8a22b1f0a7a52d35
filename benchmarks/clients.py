"""Clients that never stop asking while something is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shipway.demo.question import Question
from shipway.demo.steered_load import SteeredLoad
from shipway.demo.story import LoadPolicy

DEVICES = 400


@contextmanager
def clients(url: str, question: Question, rate: float, folder: Path, step: str = "before") -> Iterator[SteeredLoad]:
    """A steady load in a process of its own: half on kept connections, half on fresh ones. `step` is its first one."""
    load = SteeredLoad(url, question, LoadPolicy(rate=rate, devices=DEVICES), folder, step, lambda _: None)
    try:
        load.wait_for("the first answers", lambda seen: seen["sent"] > 0, timeout=20)
        yield load
    finally:
        load.kill()


def wait_for_requests(load: SteeredLoad, count: int) -> None:
    """Return once the clients have sent `count` more requests."""
    wanted = load.progress["sent"] + count
    load.wait_for(f"{count} more requests", lambda seen: seen["sent"] >= wanted, timeout=60 + count / 50)
