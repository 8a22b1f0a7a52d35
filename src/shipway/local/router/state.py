"""What the router must not forget: splits, release names, the tasks in their slots, internal ports."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipway.core.errors import ShipwayError
from shipway.core.observation import Side
from shipway.local.router.topology import Pool


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
                fix="wait until draining tasks are gone, or raise `tasks.max` in shipway.yaml and restart the daemon",
            )
        kept[number] = Slot(task, ports[task])
    return kept


def load(path: Path) -> State:
    """The stored state; an empty one where there is no file. Raises ShipwayError for an unreadable file."""
    try:
        return _from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return State()
    except (ValueError, KeyError, TypeError) as error:
        raise ShipwayError(
            f"the router's state {path} cannot be read: {error}",
            fix=f"move {path} away and deploy again; running tasks are not affected until then",
        ) from error


def save(path: Path, state: State) -> None:
    """Store the state; after a crash the file holds either the old or the new one."""
    write_atomically(path, json.dumps(_to_json(state), indent=1) + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Replace the file's content in one step, readable by its owner only."""
    temporary = path.with_name(path.name + ".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


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
    if text == "blue" or text == "green":
        return text
    raise ValueError(f"{text!r} is not a side")


def _environment_side(key: str) -> tuple[str, Side]:
    environment, side = key.split("/")
    return environment, _side(side)


def _pool(key: str) -> Pool:
    environment, side, service = key.split("/")
    return Pool(environment, _side(side), service)
