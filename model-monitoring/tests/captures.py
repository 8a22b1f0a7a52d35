"""Writes captured lines and labels as services do."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

BEGAN = datetime(2026, 11, 2, 10, tzinfo=UTC)


def line(
    request: Any,
    predictions: Sequence[float],
    event: str = "e",
    at: datetime = BEGAN,
    encoding: str = "JSON",
    answer: Any = None,
) -> str:
    """One captured line; `request` is encoded unless it is a string."""
    data = request if isinstance(request, str) else json.dumps(request)
    said = answer if answer is not None else json.dumps({"predictions": list(predictions)})
    return json.dumps(
        {
            "captureData": {
                "endpointInput": {"observedContentType": "x", "mode": "INPUT", "data": data, "encoding": encoding},
                "endpointOutput": {"observedContentType": "x", "mode": "OUTPUT", "data": said, "encoding": "JSON"},
            },
            "eventMetadata": {"eventId": event, "inferenceTime": f"{at:%Y-%m-%dT%H:%M:%SZ}"},
            "eventVersion": "0",
        }
    )


def npy(rows: Any) -> str:
    """An array as it is captured."""
    file = io.BytesIO()
    np.save(file, np.asarray(rows))
    return base64.b64encode(file.getvalue()).decode()


def capture(folder: Path, lines: Sequence[str | bytes], at: datetime = BEGAN) -> Path:
    """A file of the hour."""
    path = folder / f"{at:%Y/%m/%d/%H}" / "0-1.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join((text.encode() if isinstance(text, str) else text) + b"\n" for text in lines))
    return folder


def label(event: str, values: Sequence[float | str], source: str = "", **told: str) -> str:
    """One label line; `told` goes to its metadata, and so does its source if it has one."""
    metadata = {"eventId": event} | ({"source": source} if source else {}) | told
    truth = {"data": ",".join(map(str, values)), "encoding": "CSV"}
    return json.dumps({"groundTruthData": truth, "eventMetadata": metadata, "eventVersion": "0"})


def environment(base: Path, source: Path, **more: str) -> dict[str, str]:
    """What the platform sets, for a window of a day."""
    return {
        "SAGEMAKER_BASE_DIR": str(base),
        "dataset_format": '{"sagemakerCaptureJson": {"captureIndexNames": ["endpointInput", "endpointOutput"]}}',
        "dataset_source": str(source),
        "output_path": str(base / "processing" / "output"),
        "start_time": f"{BEGAN:%Y-%m-%dT%H:%M:%SZ}",
        "end_time": f"{BEGAN + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
    } | more


def read(base: Path, name: str) -> Mapping[str, Any]:
    """A file that was written."""
    found: Mapping[str, Any] = json.loads((base / "processing" / "output" / name).read_text())
    return found
