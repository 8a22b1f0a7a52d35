"""What goes wrong: how it strikes, how it ends, and what may be lost. docs/promises.md says the same in words."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.machine import Machine, send

FROZEN_SECONDS = 1.5
NOTHING: Callable[[Machine], None] = lambda machine: None  # noqa: E731


@dataclass(frozen=True)
class Fault:
    """A fault.

    `strike` begins it, `heal` is what a person or the clock does afterwards. Of the requests that were under way, on
    fresh connections at most `fresh` may be lost and on kept ones `kept`, by GET; POSTs are never repeated, so `posts`
    may be more. None promises nothing. `ends` are the endings of a good commit's run that are right.
    """

    name: str
    strike: Callable[[Machine], None]
    heal: Callable[[Machine], None] = NOTHING
    fresh: int | None = 0
    kept: int | None = 0
    posts: int | None = 0
    ends: frozenset[str] = frozenset({"succeeded"})
    needs_rollout: bool = False


def _kill(find: Callable[[Machine], list[object]]) -> Callable[[Machine], None]:
    return lambda machine: send(find(machine), signal.SIGKILL)  # type: ignore[arg-type]


def _freeze_for_a_while(machine: Machine) -> None:
    """Time itself is the fault here: a process that stands still for a second and a half."""
    daemon = machine.daemon()
    send(daemon, signal.SIGSTOP)
    time.sleep(FROZEN_SECONDS)
    send(daemon, signal.SIGCONT)


def _one(role: str, number: signal.Signals) -> Callable[[Machine], None]:
    return lambda machine: send(machine.tasks(role)[:1], number)


def _restart_the_control_plane(machine: Machine) -> None:
    machine.down("--keep-tasks")
    machine.up()


def _restart_everything(machine: Machine) -> None:
    machine.down()
    machine.up()


def _kill_daemon_and_worker(machine: Machine) -> None:
    send([*machine.daemon(), *machine.router_workers()], signal.SIGKILL)


# Clients of the campaign: so many kept connections may be under way when the router dies.
KEPT = 16
# And so many fresh ones at that moment: what HAProxy has taken and not yet answered dies with it.
FRESH = 4

FAULTS = (
    Fault("daemon killed", _kill(Machine.daemon), Machine.up),  # type: ignore[arg-type]
    Fault("daemon frozen", _freeze_for_a_while),
    Fault("control plane restarted", _restart_the_control_plane),
    Fault("router worker killed", _kill(Machine.router_workers), fresh=FRESH, kept=KEPT, posts=KEPT),  # type: ignore[arg-type]
    Fault("router master killed", _kill(Machine.router_masters), fresh=FRESH, kept=KEPT, posts=KEPT),  # type: ignore[arg-type]
    Fault("socket holder killed", _kill(Machine.router_holders)),  # type: ignore[arg-type]
    Fault("daemon and router worker killed", _kill_daemon_and_worker, Machine.up, fresh=FRESH, kept=KEPT, posts=KEPT),
    Fault("stable task killed", _one("stable", signal.SIGKILL), posts=KEPT),
    Fault("stable task frozen", _one("stable", signal.SIGSTOP), posts=None),
    # A request that was under way is sent again over pooled connections, which are as dead as the tasks.
    Fault("all stable tasks killed", lambda m: send(m.tasks("stable"), signal.SIGKILL), kept=KEPT, posts=None),
    Fault(
        "candidate task killed",
        _one("candidate", signal.SIGKILL),
        # At the first step of a rolling one it is the only task of its side: its requests wait for it in vain when the
        # rollback takes the side away.
        fresh=KEPT,
        kept=KEPT,
        posts=KEPT,
        ends=frozenset({"succeeded", "rolled_back"}),
        needs_rollout=True,
    ),
    Fault("everything restarted", _restart_everything, fresh=None, kept=None, posts=None),
)
