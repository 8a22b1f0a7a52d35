"""A server counts only if it predicts what the training library predicts."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.serving.contestants import Contestant
from benchmarks.serving.load import Invalid
from benchmarks.serving.material import BODIES, Material, Row
from benchmarks.serving.servers import Server


@dataclass(frozen=True, slots=True)
class Checked:
    """`difference`: the largest from the training library's predictions, None where there is nothing to compare.

    `seconds`: a single request's, by its number of rows.
    """

    difference: float | None
    seconds: Mapping[int, float]


def check(contestant: Contestant, server: Server, material: Material) -> Checked:
    """Ask everything that will be asked, once. Raises Invalid when an answer is wrong."""
    largest, seconds = 0.0, {}
    for count in BODIES:
        taken = []
        bodies = material.bodies_file(contestant.protocol, count).read_bytes().splitlines()
        for rows, body in zip(material.requests(count), bodies, strict=True):
            began = time.perf_counter()
            status, answer = server.ask(contestant.path, body)
            taken.append(time.perf_counter() - began)
            if status != 200:
                raise Invalid(f"answered {status} to {count} rows: {answer[:300].decode(errors='replace')}")
            if not contestant.constant:
                largest = max(largest, _difference(contestant, rows, answer))
        seconds[count] = median(taken)
    return Checked(None if contestant.constant or contestant.tolerance is None else largest, seconds)


def _difference(contestant: Contestant, rows: Sequence[Row], answer: bytes) -> float:
    found = predictions(json.loads(answer))
    if len(found) != len(rows) or not all(isinstance(p, float) and 0 <= p <= 1 for p in found):
        raise Invalid(f"expected {len(rows)} probabilities, found {len(found)} values: {str(found)[:200]}")
    if contestant.tolerance is None:
        return 0.0
    largest = max(math.fabs(p - row.prediction) for p, row in zip(found, rows, strict=True))
    if largest > contestant.tolerance:
        raise Invalid(f"a prediction is {largest:.3g} off the training library's; allowed {contestant.tolerance:g}")
    return largest


def predictions(answer: Any) -> list[Any]:
    """The predictions in an answer of either protocol. Raises Invalid when there are none."""
    try:
        found = answer["predictions"] if "predictions" in answer else answer["outputs"][0]["data"]
    except (KeyError, IndexError, TypeError) as error:
        raise Invalid(f"no predictions in the answer: {str(answer)[:300]}") from error
    return list(found)
