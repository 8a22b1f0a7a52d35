"""Rows like the example's: Parquet files of ten columns, and captured lines of 18 features and a prediction.

Runs in the program's environment: `python material.py columns ROWS SEED OUTPUT` or `lines ROWS HOURS SEED FOLDER`.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GROUP = 100_000
CARRIERS, ORIGINS, DESTINATIONS = ("UA", "AA", "MQ", "EV", "9E"), ("JFK", "EWR", "LGA"), ("LAX", "SFO", "ORD", "BOS")
DAY = "2026/11/02"


def columns(rows: int, seed: int, output: Path) -> None:
    """Two columns of texts, eight of numbers."""
    draw = np.random.default_rng(seed)
    writer = None
    for begin in range(0, rows, GROUP):
        count = min(GROUP, rows - begin)
        table = pa.table(
            {
                "carrier": np.array(CARRIERS)[draw.integers(0, len(CARRIERS), count)],
                "origin": np.array(ORIGINS)[draw.integers(0, len(ORIGINS), count)],
                "distance": draw.integers(80, 4900, count),
                "departure_minute": draw.integers(300, 1439, count),
                "temp": draw.normal(60, 15, count).round(2),
                "humid": (draw.random(count) * 100).round(2),
                "wind_speed": (draw.random(count) * 30).round(3),
                "pressure": draw.normal(1013, 7, count).round(1),
                "airport_delay": draw.normal(12, 20, count).round(4),
                "prediction": draw.random(count),
            }
        )
        writer = writer or pq.ParquetWriter(output, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def lines(rows: int, hours: int, seed: int, folder: Path) -> None:
    """A file an hour. The hours have the same rows at other times: what is drawn anew costs more than what is measured."""
    draw = Random(seed)
    texts = [_line(draw, number * 60 // (rows // hours)) for number in range(rows // hours)]
    first = "\n".join(texts) + "\n"
    for hour in range(hours):
        path = folder / DAY / f"{hour:02d}" / "0-1.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(first.replace("T00:", f"T{hour:02d}:"))


def _line(draw: Random, minute: int) -> str:
    row = {
        "carrier": draw.choice(CARRIERS), "origin": draw.choice(ORIGINS), "dest": draw.choice(DESTINATIONS),
        "distance": draw.randrange(80, 4900), "day_of_week": draw.randrange(1, 8),
        "departure_minute": draw.randrange(300, 1439), "arrival_minute": draw.randrange(1440),
        "clock_minutes": draw.randrange(60, 400), "temp": round(draw.gauss(60, 15), 2),
        "dewp": round(draw.gauss(45, 15), 2), "humid": round(draw.random() * 100, 2),
        "wind_dir": float(draw.randrange(0, 360, 10)), "wind_speed": round(draw.random() * 30, 5), "precip": 0.0,
        "pressure": round(draw.gauss(1013, 7), 1), "visib": 10.0, "airport_delay": round(draw.gauss(12, 20), 4),
        "airport_late_share": round(draw.random(), 4),
    }  # fmt: skip
    sides = {
        "endpointInput": {"mode": "INPUT", "data": json.dumps({"instances": [row]})},
        "endpointOutput": {"mode": "OUTPUT", "data": json.dumps({"predictions": [draw.random()]})},
    }
    for side in sides.values():
        side |= {"observedContentType": "application/json", "encoding": "JSON"}
    event = {
        "eventId": str(uuid.UUID(int=draw.getrandbits(128))), "inferenceId": str(uuid.UUID(int=draw.getrandbits(128))),
        "inferenceTime": f"2026-11-02T00:{minute:02d}:00Z",
    }  # fmt: skip
    return json.dumps({"captureData": sides, "eventMetadata": event, "eventVersion": "0"})


if __name__ == "__main__":
    if sys.argv[1] == "columns":
        columns(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
    else:
        lines(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
