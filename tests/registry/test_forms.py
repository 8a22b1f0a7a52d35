"""What publishing makes of each format, with a small program in the place of the real one."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.models.model_version import ModelVersion
from shipway.core.ports.telling import Tell
from shipway.core.views.models import Publishing
from shipway.registry.folder_store import FolderStore
from shipway.registry.packer import Packer
from shipway.registry.publish import publish
from shipway.registry.registry import ModelRegistry
from shipway.registry.scoring import threshold

MakeModel = Callable[..., Path]
Publish = Callable[..., ModelVersion]
PICKLE = hashlib.sha256(b"tree\n").hexdigest()
CONVERTED = {
    "format": "onnx",
    "tolerance": 1e-5,
    "onnx": {"input": "codes", "output": "p", "column": 1},
    "golden": [{"instance": {"temp": 1, "carrier": "AA"}, "prediction": 0.25}],
    "conversion": {"from_format": "sklearn-pickle", "rows": 400, "largest_difference": 1e-7},
}


def packer(
    tmp_path: Path, done: dict[str, Any], converted: bytes | None = b"graph", started: Path | None = None
) -> Packer:
    """Runs a program that answers `done`, and leaves its command, and a threshold in its job, in `started`."""
    program = tmp_path / "model-packaging" / "src" / "model_packaging"
    program.mkdir(parents=True, exist_ok=True)
    lines = ["import json, sys, pathlib", "job = json.load(sys.stdin)", "work = pathlib.Path(job['work'])"]
    lines += ["told = [str(job[key]) for key in ('command', 'threshold') if key in job]"]
    lines += [f"open({str(started)!r}, 'a').write(' '.join([*told, '']))"] if started else []
    lines += [f"(work / 'converted').write_bytes({converted!r})"] if converted is not None else []
    lines += [f"(work / 'answer.json').write_text({json.dumps({'done': done})!r})"]
    (program / "__main__.py").write_text("\n".join(lines))
    return Packer(lambda lock, tell: Path(sys.executable), tmp_path)


@pytest.fixture
def publishing(tmp_path: Path, bucket: Path) -> Publish:
    """Publishes with a program that answers `done`."""

    def run(folder: Path, done: dict[str, Any], version: str | None = None, **how: Any) -> ModelVersion:
        tell: Tell = how.pop("tell", lambda line: None)
        converted, started = how.pop("converted", b"graph"), how.pop("started", None)
        made = packer(tmp_path, done, converted, started)
        return publish(FolderStore(bucket), made, folder, version, "jonas", Publishing(**how), tell)

    return run


def test_an_unknown_format_is_refused(registry: ModelRegistry, make_model: MakeModel) -> None:
    """With those that are known."""
    with pytest.raises(Refused, match="model_format: found 'h5'; allowed: lightgbm-text, onnx, xgboost-json"):
        registry.publish(make_model(model_format="h5"), None, "jonas")


def test_lightgbm_waits_for_no_environment(registry: ModelRegistry, make_model: MakeModel) -> None:
    """It is published as it is, unless a check is asked for, or golden requests are to be made."""
    folder = make_model()
    for asked in ({"check": True}, {"golden": []}):
        with pytest.raises(Refused, match="this registry keeps files and converts no models"):
            registry.publish(
                make_model(**asked) if "golden" in asked else folder, None, "jonas", Publishing(check="check" in asked)
            )
    assert "v1.0" == registry.publish(folder, None, "jonas").version


def test_a_pickle_needs_its_digest(registry: ModelRegistry, make_model: MakeModel) -> None:
    """Nothing is loaded before the publisher has named the very file; the refusal says how."""
    folder = make_model(model_format="sklearn-pickle")
    for accepted, why in ((None, "decides what runs on this machine"), ("0" * 64, "not the pickle that you accept")):
        with pytest.raises(Refused, match=why) as raised:
            registry.publish(folder, None, "jonas", Publishing(pickle_sha256=accepted))
        assert "sha256sum model.txt" in raised.value.fix
        assert PICKLE not in raised.value.fix
        assert "nothing was loaded" == raised.value.state
    with pytest.raises(UsageError, match="this model is onnx"):
        registry.publish(make_model(model_format="onnx"), None, "jonas", Publishing(pickle_sha256=PICKLE))


def test_a_converted_pickle_leaves_its_digest_only(
    publishing: Publish, registry: ModelRegistry, make_model: MakeModel, bucket: Path
) -> None:
    """The version holds the converted file; the pickle is in no bucket."""
    folder = make_model(model_format="sklearn-pickle", input="values", golden=[])
    model = publishing(folder, CONVERTED, pickle_sha256=f"sha256:{PICKLE.upper()}")
    written = registry.metadata("v1.0")
    assert ["metadata.json", "model.onnx"] == sorted(path.name for path in (bucket / "v1.0").iterdir())
    assert ("onnx", "model.onnx", 1e-5) == (written["model_format"], written["model_file"], written["tolerance"])
    assert (CONVERTED["onnx"], CONVERTED["golden"]) == (written["onnx"], written["golden"])
    assert "values" == written["conversion"]["from_input"]
    assert "input" not in written
    assert hashlib.sha256(b"graph").hexdigest() == model.digest
    assert model == registry.verified("v1.0")


def test_another_original_stays_beside_its_conversion(
    publishing: Publish, registry: ModelRegistry, make_model: MakeModel, bucket: Path
) -> None:
    """Even when it has the name that the converted file would have."""
    publishing(make_model(model_format="xgboost-json"), {**CONVERTED, "format": "lightgbm-text"})
    assert "converted-model.txt" == registry.get("v1.0").model_file
    assert b"tree\n" == (bucket / "v1.0" / "model.txt").read_bytes()
    registry.verified("v1.0")


def test_the_same_original_is_converted_once(
    publishing: Publish, registry: ModelRegistry, make_model: MakeModel, tmp_path: Path
) -> None:
    """Publishing it again answers the version; under that name other content is refused before any work."""
    started = tmp_path / "started"
    folder = make_model(model_format="xgboost-json")
    for version in (None, None, "v1.0"):
        assert "v1.0" == publishing(folder, CONVERTED, version, started=started).version
    assert "v1.0" == registry.publish(folder, None, "jonas").version
    with pytest.raises(Refused, match=r"v1\.0 is there already, with other content"):
        publishing(make_model(b"other", model_format="xgboost-json"), CONVERTED, "v1.0", started=started)
    assert "package read " == started.read_text()


def test_a_pickle_kept_as_it_is(publishing: Publish, registry: ModelRegistry, make_model: MakeModel) -> None:
    """The version says why, and who publishes hears where it can serve."""
    told: list[str] = []
    done = {"native": {"library": "scikit-learn 1.9.1", "why": "no form"}, "tolerance": 1e-9}
    publishing(
        make_model(model_format="sklearn-pickle"),
        done,
        pickle_sha256=PICKLE,
        keep_native=True,
        converted=None,
        tell=told.append,
    )
    assert ("sklearn-pickle", "no form") == (
        registry.metadata("v1.0")["model_format"],
        registry.metadata("v1.0")["native"]["why"],
    )
    assert ["it serves only where the environment variable MODEL_PICKLES names this bucket"] == told


def test_a_check_stores_nothing(publishing: Publish, registry: ModelRegistry, make_model: MakeModel) -> None:
    """It answers the version that publishing would make, of whatever format."""
    for folder, done in ((make_model(), {}), (make_model(model_format="xgboost-json"), CONVERTED)):
        assert ("v1.0", "pending") == (
            (checked := publishing(folder, done, check=True)).version,
            checked.approval_status,
        )
    assert () == registry.list()


@pytest.mark.parametrize(
    ("done", "converted"),
    [
        ({**CONVERTED, "format": "sklearn-pickle"}, b""),
        ({**CONVERTED, "format": "../x"}, b""),
        ({"format": "onnx"}, b""),
        (CONVERTED, None),
        ({**CONVERTED, "golden": [{"instance": 3}]}, b""),
        ({**CONVERTED, "tolerance": -1}, b""),
    ],
)
def test_a_program_that_was_tricked_publishes_nothing(
    publishing: Publish, registry: ModelRegistry, make_model: MakeModel, done: dict[str, Any], converted: bytes | None
) -> None:
    """What a model makes the program answer is checked like any folder."""
    with pytest.raises(ShipwayError):
        publishing(make_model(model_format="xgboost-json"), done, converted=converted)
    assert () == registry.list()


def test_a_folder_that_contradicts_its_metadata_is_not_looked_at(
    publishing: Publish, make_model: MakeModel, tmp_path: Path
) -> None:
    """Digests come first."""
    folder = make_model(model_format="xgboost-json")
    (folder / "model.txt").write_bytes(b"other")
    with pytest.raises(Refused, match="has sha256"):
        publishing(folder, CONVERTED, started=tmp_path / "started")
    assert not (tmp_path / "started").exists()


def test_the_programs_scores_are_handed_on(
    registry: ModelRegistry, make_model: MakeModel, bucket: Path, tmp_path: Path
) -> None:
    """It is told what parts the first version's predictions; what it answers is the comparison's, note and all."""
    holdout, started = {"file": "holdout.csv", "rows": 300}, tmp_path / "started"
    for n in range(2):
        registry.publish(make_model(str(n).encode(), {"holdout.csv": b"x\n"}, holdout=holdout), None, "jonas")
    made = packer(tmp_path, {"scores": {"ks_distance": 0.25}, "note": "only 9 rows"}, started=started)
    found = ModelRegistry(FolderStore(bucket), made).compare("v1.0", "v1.1")
    assert ({"ks_distance": 0.25}, "only 9 rows") == (found["scores"], found["note"])
    assert "score 0.5 " == started.read_text()


def test_what_cannot_be_scored_is_still_compared(registry: ModelRegistry, make_model: MakeModel) -> None:
    """The rest of the comparison comes with a note: no held-out rows, no environment."""
    holdout = {"file": "holdout.csv", "rows": 1}
    registry.publish(make_model(b"0"), None, "jonas")
    registry.publish(make_model(b"11", metrics={"auc": 0.8}), None, "jonas")
    registry.publish(make_model(b"2", {"holdout.csv": b"x\n"}, holdout=holdout), None, "jonas")
    plain = registry.compare("v1.0", "v1.1")
    assert (None, "neither version has held-out rows to compare them on") == (plain["scores"], plain["note"])
    assert ({"a": 1, "b": 2}, 0.8) == (plain["size"], plain["metrics"]["auc"]["b"])
    assert registry.compare("v1.0", "v1.2")["note"].startswith("the versions were not scored: this registry")


def test_a_kept_pickle_is_loaded_for_no_comparison(
    publishing: Publish, registry: ModelRegistry, make_model: MakeModel
) -> None:
    """Whoever compares has not accepted it."""
    folder = make_model(model_format="sklearn-pickle")
    publishing(folder, {"native": {"library": "", "why": ""}}, pickle_sha256=PICKLE, keep_native=True, converted=None)
    registry.publish(make_model(), None, "jonas")
    assert (
        "v1.0 is a sklearn-pickle model, which is not loaded for a comparison"
        == registry.compare("v1.0", "v1.1")["note"]
    )


@pytest.mark.parametrize(
    ("output", "prediction", "expected"),
    [({"name": "p", "threshold": 0.3}, 0.5, 0.3), ({"name": "p"}, 0.5, 0.5), ({"name": "minutes"}, 12.5, None)],
)
def test_the_threshold_of_a_version(
    registry: ModelRegistry, make_model: MakeModel, output: dict[str, Any], prediction: float, expected: float | None
) -> None:
    """The schema states it; else probabilities have the usual one, and other numbers none."""
    folder = make_model(golden=[{"instance": {"temp": 20, "carrier": "AA"}, "prediction": prediction}])
    document = json.loads((folder / "metadata.json").read_text())
    document["feature_schema"]["output"] = output
    canonical = json.dumps(document["feature_schema"], sort_keys=True, separators=(",", ":"))
    document["feature_schema_digest"] = f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
    (folder / "metadata.json").write_text(json.dumps(document))
    registry.publish(folder, None, "jonas")
    assert expected == threshold(registry._read("v1.0")[1])


@pytest.mark.parametrize(
    ("line", "looked_at"),
    [
        ("", False),
        ("pandas_categorical:null", False),
        ("pandas_categorical:[]", False),
        ('pandas_categorical:[["AA", "B6"]]', False),
        ('pandas_categorical:[["B6", "AA"]]', True),
        ('pandas_categorical:[["AA", "B6", "DL"]]', True),
        ("pandas_categorical:[[1, 2]]", True),
        ("pandas_categorical:[[", True),
    ],
)
def test_a_lightgbm_file_that_numbers_categories_otherwise_is_looked_at(
    publishing: Publish, make_model: MakeModel, tmp_path: Path, line: str, looked_at: bool
) -> None:
    """Golden requests alone do not spare it the program: what they were made by is not said."""
    started = tmp_path / "started"
    publishing(make_model(f"tree\n{line}\n\n".encode()), {}, started=started)
    assert ("package read " if looked_at else "read ") == started.read_text()
