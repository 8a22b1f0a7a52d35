"""Captured predictions and their labels, in SageMaker's files."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.observations.losses import Losses
from shipway.monitor import labelled_losses as module
from shipway.monitor.labelled_losses import labelled_losses

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp()


def captured(id: str, data: str, *, at: float = NOON, encoding: str = "JSON", **event: str) -> bytes:
    """A line of data capture."""
    time = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    entry = {"observedContentType": "application/json", "mode": "OUTPUT", "data": data, "encoding": encoding}
    document = {
        "captureData": {"endpointInput": {**entry, "mode": "INPUT", "data": "{}"}, "endpointOutput": entry},
        "eventMetadata": {"eventId": id, "inferenceTime": time, **event},
        "eventVersion": "0",
    }
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def truth(id: str, data: str, encoding: str = "CSV", **told: str) -> bytes:
    """A line of ground truth; `told` goes to its metadata."""
    document = {
        "groundTruthData": {"data": data, "encoding": encoding}, "eventMetadata": {"eventId": id, **told},
        "eventVersion": "0",
    }  # fmt: skip
    return json.dumps(document).encode() + b"\n"


class Files:
    """A monitoring bucket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, place: str, *lines: bytes, at: float = NOON, name: str = "00-00-a.jsonl") -> None:
        folder = self.folder / place / f"{datetime.fromtimestamp(at, UTC):%Y/%m/%d/%H}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"".join(lines))

    def losses(self, since: float = NOON - 60, until: float = NOON + 7200) -> dict[str, Losses]:
        return labelled_losses(self.folder, "ontime-prod", ["v1-0", "v1-1"], since, until)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def predicted(*values: float) -> str:
    return json.dumps({"model_version": "v1.0", "predictions": values})


def test_only_trusted_sources_count(files: Files) -> None:
    """A stranger's newer word does not hide the trusted one; a label that names no source is no trusted one."""
    files.write("ontime-prod/v1-0", captured("a", predicted(0.5)), captured("b", predicted(0.5)))
    files.write("ground-truth/ontime-prod", truth("a", "1", source="airline"), name="1.jsonl")
    files.write("ground-truth/ontime-prod", truth("a", "0.5", source="device"), truth("b", "1"), name="2.jsonl")
    asked = (files.folder, "ontime-prod", ["v1-0"], NOON - 60, NOON + 7200)
    assert Losses(1, 0.25, 0.0625) == labelled_losses(*asked, sources=["airline"])["v1-0"]
    assert 2 == labelled_losses(*asked)["v1-0"].count


def test_predictions_meet_their_labels(files: Files) -> None:
    """Each variant has the squared errors of its labelled rows, whichever form they were captured in."""
    files.write("ontime-prod/v1-0", captured("a", predicted(0.5)), captured("b", "0.25\n1.0\n", encoding="CSV"))
    files.write("ontime-prod/v1-1", captured("c", "[0.5, 0.0]"), captured("unlabelled", predicted(0.9)))
    lines, line = '{"prediction":0.5}\n{"prediction":1.0}\n', '{"prediction":0.75}\n'
    files.write("ontime-prod/v1-1", captured("d", lines), captured("e", line), name="00-00-b.jsonl")
    files.write(
        "ground-truth/ontime-prod", truth("a", "1"), truth("b", "0,1"), truth("c", "[0, 0]", "JSON"),
        truth("d", "1,1"), truth("e", "0.75"), at=NOON + 3600,
    )  # fmt: skip
    assert {"v1-0": Losses(3, 0.3125, 0.25**2 + 0.0625**2), "v1-1": Losses(5, 0.5, 0.125)} == files.losses()


def test_without_labels_nothing_is_read(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Captured traffic is much, and mostly nobody knows yet what came true."""
    files.write("ontime-prod/v1-0", captured("a", predicted(0.5)))
    assert {} == files.losses()
    files.write("ground-truth/ontime-stage", truth("a", "1"))
    assert {} == files.losses()


def test_the_inference_id_wins(files: Files) -> None:
    """A client that names its requests labels them by that name."""
    files.write("ontime-prod/v1-0", captured("a", predicted(0.5), inferenceId="order-7"))
    files.write("ground-truth/ontime-prod", truth("a", "0"), truth("order-7", "1"))
    assert 1 == files.losses()["v1-0"].count
    files.write("ground-truth/ontime-prod", truth("a", "0"))
    assert 0 == files.losses()["v1-0"].count


def test_only_the_window_counts(files: Files) -> None:
    """Predictions from before the rollout, in the same hour, are left out; so are labels of later."""
    files.write("ontime-prod/v1-0", captured("a", predicted(0.5), at=NOON + 10), captured("b", predicted(0.5)))
    files.write("ground-truth/ontime-prod", truth("a", "1"), truth("b", "1"))
    assert (1, 2, 0) == tuple(files.losses(since)["v1-0"].count for since in (NOON + 5, NOON, NOON + 11))
    files.write("ground-truth/ontime-prod", at=NOON)
    files.write("ground-truth/ontime-prod", truth("a", "1"), at=NOON + 3600)
    assert {} == files.losses(until=NOON + 600)


def test_a_corrected_label_counts(files: Files) -> None:
    """The newest file is believed."""
    files.write("ontime-prod/v1-0", captured("a", predicted(1.0)))
    files.write("ground-truth/ontime-prod", truth("a", "0"), name="00-00-a.jsonl")
    files.write("ground-truth/ontime-prod", truth("a", "1"), name="30-00-a.jsonl")
    assert 0.0 == files.losses()["v1-0"].sum


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{\n",
        b'"eventId":"a"\n',
        b'{"eventMetadata":{"eventId":"a"}}\n',
        captured("a", predicted(0.5, 0.6)),
        captured("a", '{"predictions": ["x"]}'),
        captured("a", '{"predictions": [NaN]}'),
        captured("a", "null"),
        captured("a", "1" * 400),
        captured("a", "[" * 100_000),
        b"[" * 100_000 + b"\n",
        captured("a", "k05VTVBZ", encoding="BASE64"),
        captured("a", predicted(0.5)).replace(b"2026-11-23T", b"yesterday"),
    ],
)
def test_what_cannot_be_compared_is_left_out(files: Files, line: bytes) -> None:
    """One bad line costs itself alone."""
    files.write("ontime-prod/v1-0", line, captured("b", predicted(0.5)))
    files.write("ground-truth/ontime-prod", b"{\n", truth("c", "maybe"), truth("a", "1"), truth("b", "1"))
    assert Losses(1, 0.25, 0.0625) == files.losses()["v1-0"]


def test_hidden_files_are_not_whole_yet(files: Files) -> None:
    """What is still being written has no name."""
    files.write("ontime-prod/v1-0", captured("a", predicted(0.5)), name=".part.jsonl")
    files.write("ground-truth/ontime-prod", truth("a", "1"))
    assert Losses() == files.losses()["v1-0"]


def test_a_look_is_bounded(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest files are read, as far as the bound goes."""
    line = captured("a", predicted(0.5))
    files.write("ontime-prod/v1-0", line * 100, name="00-00-a.jsonl")
    files.write("ontime-prod/v1-0", captured("b", predicted(0.0)) * 2, name="30-00-a.jsonl")
    files.write("ground-truth/ontime-prod", truth("a", "1"), truth("b", "1"))
    monkeypatch.setattr(module, "MAX_BYTES", len(line) * 12)
    assert Losses(12, 2 + 10 * 0.25, 2 + 10 * 0.0625) == files.losses()["v1-0"]


def test_a_line_without_an_end_is_bounded(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is one endless line costs no more memory than the bound."""
    files.write("ontime-prod/v1-0", b" " * 10_000_000 + captured("a", predicted(0.5)))
    files.write("ground-truth/ontime-prod", truth("a", "1"))
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    tracemalloc.start()
    try:
        assert Losses() == files.losses()["v1-0"]
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_folder_that_cannot_be_looked_into(tmp_path: Path) -> None:
    """Whatever the system says against it, nothing is known of it."""
    (tmp_path / "ground-truth").mkdir()
    assert {} == labelled_losses(tmp_path, "e" * 300, ["v1-0"], NOON, NOON)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
def test_the_mean_is_the_brier_score(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, bool]]) -> None:
    """Of probabilities and what came true."""
    files = Files(tmp_path_factory.mktemp("bucket"))
    files.write("ontime-prod/v1-0", *(captured(str(n), predicted(p)) for n, (p, _) in enumerate(rows)))
    files.write("ground-truth/ontime-prod", *(truth(str(n), str(int(y))) for n, (_, y) in enumerate(rows)))
    found = files.losses()["v1-0"]
    assert (len(rows), pytest.approx(sum((p - y) ** 2 for p, y in rows) / len(rows))) == (found.count, found.mean)


def test_types(files: Files) -> None:
    """A label of another kind than numbers is no label."""
    odd: list[Any] = ['{"x": 1}', "true", '"1"']
    files.write("ontime-prod/v1-0", *(captured(str(n), predicted(0.5)) for n in range(len(odd))))
    files.write("ground-truth/ontime-prod", *(truth(str(n), value, "JSON") for n, value in enumerate(odd)))
    assert 2 == files.losses()["v1-0"].count
