"""What the router must not forget: splits, release names, the tasks in their slots, internal ports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipway.core.errors import ShipwayError
from shipway.core.observations.observation import SIDES, Side
from shipway.local.files.atomic_file import write_atomically
from shipway.local.router.topology import Pool, Topology


@dataclass(frozen=True, slots=True)
class Split:
    """`weight` ten-thousandths of the devices go to `candidate`, the rest to the other side."""

    candidate: Side = "blue"
    weight: int = 10_000


@dataclass(frozen=True, slots=True)
class Slot:
    """A task behind one of a pool's server lines. `draining`: it takes no new request."""

    task: str
    port: int
    draining: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The stored part of the router; with a topology it gives the whole HAProxy file.

    `capacities` (environment → server lines of a pool) only grow, so a slot never loses its line.
    """

    splits: Mapping[str, Split] = field(default_factory=dict)
    releases: Mapping[tuple[str, Side], str] = field(default_factory=dict)
    slots: Mapping[Pool, Mapping[int, Slot]] = field(default_factory=dict)
    internal_ports: Mapping[Pool, int] = field(default_factory=dict)
    capacities: Mapping[str, int] = field(default_factory=dict)


def assign(slots: Mapping[int, Slot], ports: Mapping[str, int], capacity: int) -> dict[int, Slot]:
    """The slots once exactly the tasks in `ports` take new requests; the others drain where they are.

    Raises ShipwayError when the capacity is used up.
    """
    kept = {
        number: Slot(slot.task, ports.get(slot.task, slot.port), draining=slot.task not in ports)
        for number, slot in slots.items()
    }
    placed = {slot.task for slot in kept.values()}
    free = (number for number in range(1, capacity + 1) if number not in kept)
    for task in sorted(set(ports) - placed):
        number = next(free, None)
        if number is None:
            raise ShipwayError(
                f"the router has no room for task {task}: all {capacity} slots are taken, "
                f"{sum(slot.draining for slot in kept.values())} of them by tasks that drain",
                fix="wait until draining tasks are gone, or raise `tasks.max` in shipway.yaml and run `shipway reload`",
            )
        kept[number] = Slot(task, ports[task])
    return kept


def fitted(stored: State, topology: Topology, draw_port: Callable[[Iterable[int]], int]) -> State:
    """The state for a topology: what it no longer has is dropped, new internal ports are drawn.

    `draw_port` returns a port that is not among those given.
    """
    names = {environment.name for environment in topology.environments}
    pools = {pool: service for environment in topology.environments for pool, service in environment.pools()}
    internal_ports = {p: n for p, n in stored.internal_ports.items() if p in pools and pools[p].internal}
    for pool, service in pools.items():
        if service.internal and pool not in internal_ports:
            internal_ports[pool] = draw_port([*topology.ports, *internal_ports.values()])
    return State(
        splits={name: split for name, split in stored.splits.items() if name in names},
        releases={key: release for key, release in stored.releases.items() if key[0] in names},
        slots={pool: slots for pool, slots in stored.slots.items() if pool in pools},
        internal_ports=internal_ports,
        # Twice the tasks: those that drain keep their slots beside their successors.
        capacities={e.name: max(2 * e.slots, stored.capacities.get(e.name, 0)) for e in topology.environments},
    )


def load(path: Path) -> State:
    """The stored state; an empty one where there is no file. Raises ShipwayError for an unreadable file."""
    try:
        return _from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return State()
    except (ValueError, KeyError, TypeError) as error:
        raise ShipwayError(
            f"the router's state {path} cannot be read: {error}",
            fix="shipway repair, which finds out again what the router has to know",
        ) from error


def save(path: Path, state: State) -> None:
    """Store the state; after a crash the file holds either the old or the new one."""
    write_atomically(path, (json.dumps(_to_json(state), indent=1) + "\n").encode())


def _to_json(state: State) -> dict[str, Any]:
    return {
        "version": 1,
        "splits": {name: [split.candidate, split.weight] for name, split in state.splits.items()},
        "releases": {f"{name}/{side}": release for (name, side), release in state.releases.items()},
        "slots": {
            "/".join(pool): {str(number): [slot.task, slot.port, slot.draining] for number, slot in slots.items()}
            for pool, slots in state.slots.items()
        },
        "internal_ports": {"/".join(pool): port for pool, port in state.internal_ports.items()},
        "capacities": dict(state.capacities),
    }


def _from_json(data: Mapping[str, Any]) -> State:
    if data["version"] != 1:
        raise ValueError(f"it has version {data['version']}, this Shipway reads version 1")
    return State(
        splits={name: Split(_side(side), int(weight)) for name, (side, weight) in data["splits"].items()},
        releases={_environment_side(key): str(release) for key, release in data["releases"].items()},
        slots={
            _pool(key): {
                int(number): Slot(str(task), int(port), bool(draining))
                for number, (task, port, draining) in slots.items()
            }
            for key, slots in data["slots"].items()
        },
        internal_ports={_pool(key): int(port) for key, port in data["internal_ports"].items()},
        capacities={name: int(capacity) for name, capacity in data["capacities"].items()},
    )


def _side(text: str) -> Side:
    for side in SIDES:
        if text == side:
            return side
    raise ValueError(f"{text!r} is not a side")


def _environment_side(key: str) -> tuple[str, Side]:
    environment, side = key.split("/")
    return environment, _side(side)


def _pool(key: str) -> Pool:
    environment, side, service = key.split("/")
    return Pool(environment, _side(side), service)
