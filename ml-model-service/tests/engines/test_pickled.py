"""Pickles: from a named bucket only, and only as the library that wrote them reads them."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas
import pytest
import sklearn.base
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from conftest import FEATURES, ROW, Publish
from ml_model_service.engines import EngineError
from ml_model_service.engines.pickled import Pickled
from ml_model_service.metadata import Feature
from ml_model_service.settings import Settings
from ml_model_service.versions.model import ModelError, load
from ml_model_service.versions.pickles import bucket_at, trusted_by
from ml_model_service.versions.reload import Served, serve_baked
from service import Service

pytestmark = pytest.mark.slow

SCHEMA = msgspec.convert(FEATURES, tuple[Feature, ...])
Keep = Callable[..., Path]


class Malicious:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._marker,)


def dumped(model: Any) -> bytes:
    """The pickle of a model."""
    data = io.BytesIO()
    joblib.dump(model, data)
    return data.getvalue()


def table_of(matrix: np.ndarray[Any, Any], takes_values: bool) -> pandas.DataFrame:
    """The rows as a table, with categories as codes or as they are written."""
    table = pandas.DataFrame(matrix, columns=[feature.name for feature in SCHEMA])
    if takes_values:
        table["airline"] = np.array(["AA", "B6", "UA", np.nan], dtype=object)[
            np.nan_to_num(matrix[:, 0], nan=3).astype(int)
        ]
        table["origin"] = np.array(["EWR", "JFK"], dtype=object)[matrix[:, 1].astype(int)]
    return table


def trained(takes_values: bool) -> tuple[Any, np.ndarray[Any, Any]]:
    """A real model and 300 rows of what it learned from."""
    random = np.random.default_rng(0)
    matrix = np.column_stack([random.integers(0, n, 300) for n in (3, 2, 90, 1440)]).astype(np.float64)
    matrix[::5, 0] = np.nan
    model = HistGradientBoostingClassifier(
        max_iter=3, categorical_features=["airline", "origin"] if takes_values else None
    )
    return model.fit(table_of(matrix, takes_values), matrix[:, 3] > 700), matrix


@pytest.fixture
def keep(publish: Publish) -> Keep:
    """Writes a version that is a pickle: `keep(bucket, "v1.0", data, **changes)`."""

    def write(bucket: Path, version: str, data: bytes, /, **changes: Any) -> Path:
        entry = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        described = {"model_file": "model.pkl", "model_format": "sklearn-pickle", "files": {"model.pkl": entry}}
        folder = publish(bucket, version, 0, **(described | changes))
        (folder / "model.pkl").write_bytes(data)
        return folder

    return write


# -- whose pickles are loaded --------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["", " , ", "/elsewhere", "file:///", "BUCKET/v1.0", "BUCKET-2", "BUCKET/.."])
def test_a_pickle_whose_bucket_is_not_named_is_never_loaded(tmp_path: Path, keep: Keep, policy: str) -> None:
    """Whatever it would do is not done, and the message says what would have to name the bucket."""
    bucket, marker = tmp_path / "bucket", tmp_path / "marker"
    folder = keep(bucket, "v1.0", dumped(Malicious(marker)))
    named = trusted_by(policy.replace("BUCKET", str(bucket)))
    with pytest.raises(ModelError, match=f"MODEL_PICKLES must name its bucket, {bucket}, before it is loaded"):
        load(folder, "v1.0", bucket_at(bucket, named))
    with pytest.raises(ModelError, match="MODEL_PICKLES must name its bucket"):
        load(folder, "v1.0")
    assert not marker.exists()


@pytest.mark.parametrize(
    "policy", ["BUCKET", "BUCKET/", "file://BUCKET", "/elsewhere, BUCKET", "BUCKET/v1.0/..", "LINK"]
)
def test_a_pickle_whose_bucket_is_named_is_loaded(tmp_path: Path, keep: Keep, policy: str) -> None:
    """By path, by URI or through a link, alone or among others; and it does what its author wrote."""
    bucket, link, marker = tmp_path / "bucket", tmp_path / "link", tmp_path / "marker"
    folder = keep(bucket, "v1.0", dumped(Malicious(marker)))
    link.symlink_to(bucket)
    named = trusted_by(policy.replace("BUCKET", str(bucket)).replace("LINK", str(link)))
    with pytest.raises(ModelError, match="the model failed"):
        load(folder, "v1.0", bucket_at(bucket, named))
    assert marker.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_format": "lightgbm-text"}, "has no .end of trees."),
        ({"model_format": "onnx", "onnx": {"output": "p"}}, "ONNX Runtime does not load the graph"),
        ({"model_format": "pickle"}, "model format 'pickle'; allowed: lightgbm-text, onnx"),
        ({"model_file": "../outside/model.pkl"}, "lists no file"),
        ({"model_file": ".."}, "lists no file"),
        ({"files": {"model.pkl": {"sha256": "0" * 64, "bytes": 1}}}, "size and digest"),
        ({"input": "anything"}, "Invalid enum value 'anything'"),
        ({"version": "v1.1"}, "says version 'v1.1'"),
        ({"feature_schema_digest": "sha256:" + "0" * 64}, "feature schema does not have the digest"),
    ],
)
def test_metadata_that_lies_unpickles_nothing(
    tmp_path: Path, keep: Keep, changes: dict[str, Any], message: str
) -> None:
    """Even in a trusted bucket a file is unpickled only as the pickle that its metadata records."""
    marker, data = tmp_path / "marker", dumped(Malicious(tmp_path / "marker"))
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "model.pkl").write_bytes(data)
    folder = keep(tmp_path / "bucket", "v1.0", data, **changes)
    with pytest.raises(ModelError, match=message):
        load(folder, "v1.0", bucket_at(tmp_path / "bucket", trusted_by(str(tmp_path / "bucket"))))
    assert not marker.exists()


@pytest.mark.parametrize("linked", ["v1.0", "v1.0/model.pkl"])
def test_a_link_out_of_the_bucket_unpickles_nothing(tmp_path: Path, keep: Keep, linked: str) -> None:
    """A trusted bucket is trusted for what lies in it."""
    bucket, outside, marker = tmp_path / "bucket", tmp_path / "outside", tmp_path / "marker"
    keep(outside, "v1.0", dumped(Malicious(marker)))
    if linked == "v1.0":
        bucket.mkdir()
    else:
        keep(bucket, "v1.0", dumped(Malicious(marker)))
        (bucket / linked).unlink()
    (bucket / linked).symlink_to(outside / linked)
    with pytest.raises(ModelError, match="a link that leads out of its bucket"):
        load(bucket / "v1.0", "v1.0", bucket_at(bucket, trusted_by(str(bucket))))
    assert not marker.exists()


def test_a_link_into_a_trusted_bucket_does_not_lend_its_trust(tmp_path: Path, keep: Keep) -> None:
    """The bucket that the version lies in must be named, not the one that its file is linked from."""
    trusted, other, marker = tmp_path / "trusted", tmp_path / "other", tmp_path / "marker"
    keep(trusted, "v1.0", dumped(Malicious(marker)))
    other.mkdir()
    (other / "v1.0").symlink_to(trusted / "v1.0")
    with pytest.raises(ModelError, match="MODEL_PICKLES must name its bucket"):
        load(other / "v1.0", "v1.0", bucket_at(other, trusted_by(str(trusted))))
    assert not marker.exists()


def test_the_baked_model_s_folder_is_its_bucket(tmp_path: Path, keep: Keep) -> None:
    """Named itself, its pickle serves; naming what it lies in is not enough."""
    import asyncio

    model, _ = trained(takes_values=False)
    row = [[1.0, 1.0, 71.5, 480.0]]
    golden = [{"instance": ROW, "prediction": model.predict_proba(pandas.DataFrame(row, columns=list(ROW)))[0, 1]}]
    folder = keep(tmp_path, "v1.0", dumped(model), golden=golden)
    for policy, version in ((tmp_path, None), (folder, "v1.0")):
        settings = Settings.read({"MODEL_BAKED": str(folder), "MODEL_PICKLES": str(policy)})
        served = Served()
        asyncio.run(serve_baked(served, settings.bucket_at(settings.baked)))
        assert version == (served.model and served.model.version)


# -- what is loaded --------------------------------------------------------------------------------------------------


def test_an_image_without_scikit_learn_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is unpickled then."""
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(EngineError, match=r"this image has no joblib: add scikit-learn, joblib and pandas"):
        Pickled(b"", SCHEMA, takes_values=False)


def test_a_pickle_of_another_scikit_learn_is_refused(
    tmp_path: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model of another version may predict something else, or fail later; the message names both versions."""
    model, _ = trained(takes_values=False)
    monkeypatch.setattr(sklearn.base, "__version__", "1.0.2")
    data = dumped(model)
    monkeypatch.undo()
    folder = keep(tmp_path, "v1.0", data)
    message = f"was written by scikit-learn 1.0.2; this image has {sklearn.__version__}"
    with pytest.raises(ModelError, match=message):
        load(folder, "v1.0", bucket_at(tmp_path, trusted_by(str(tmp_path))))


@pytest.mark.parametrize("data", [b"", b"no pickle", dumped({"not": "a model"}), dumped(LogisticRegression())])
def test_what_is_no_fitted_model_is_refused(tmp_path: Path, keep: Keep, data: bytes) -> None:
    """Whatever it holds instead, the version in service stays."""
    folder = keep(tmp_path, "v1.0", data)
    with pytest.raises(ModelError, match=r"the pickle cannot be loaded|the model failed"):
        load(folder, "v1.0", bucket_at(tmp_path, trusted_by(str(tmp_path))))


def test_a_model_that_does_not_reproduce_its_golden_requests_is_refused(tmp_path: Path, keep: Keep) -> None:
    """As with every other format."""
    model, _ = trained(takes_values=False)
    folder = keep(tmp_path, "v1.0", dumped(model), golden=[{"instance": ROW, "prediction": 2.0}])
    with pytest.raises(ModelError, match=r"golden\[0\] predicts"):
        load(folder, "v1.0", bucket_at(tmp_path, trusted_by(str(tmp_path))))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that trusts the bucket `tmp_path`, and where targets are found there."""
    environ = {"MODEL_BUCKET": str(tmp_path), "MODEL_PICKLES": str(tmp_path), "ENDPOINT_NAME": "small"}
    running = Service(Settings.read(environ), Served(), tmp_path / "log")
    yield running
    running.stop()


@pytest.mark.parametrize("takes_values", [False, True])
def test_a_kept_model_answers_what_scikit_learn_does(
    tmp_path: Path, keep: Keep, service: Service, takes_values: bool
) -> None:
    """To the last bit, in service and as a target, one row or many, JSON or CSV, trained on codes or on categories."""
    model, matrix = trained(takes_values)
    expected = model.predict_proba(table_of(matrix, takes_values))[:, 1].tolist()
    rows = [
        {
            "airline": None if np.isnan(airline) else FEATURES[0]["values"][int(airline)],
            "origin": FEATURES[1]["values"][int(origin)],
            "temp": temp,
            "minute": minute,
        }
        for airline, origin, temp, minute in matrix.tolist()
    ]
    golden = [{"instance": rows[n], "prediction": expected[n]} for n in range(8)]
    folder = keep(tmp_path, "v1.0", dumped(model), golden=golden, input="values" if takes_values else "codes")
    service.serve(load(folder, "v1.0", bucket_at(tmp_path, trusted_by(str(tmp_path)))))
    assert expected == service.send("POST", "/predict", json={"instances": rows}).json()["predictions"]
    for n in range(8):
        assert [expected[n]] == service.send("POST", "/predict", json={"instances": [rows[n]]}).json()["predictions"]
    lines = "\n".join(",".join("" if value is None else str(value) for value in row.values()) for row in rows)
    answer = service.send("POST", "/predict", content=lines, headers={"content-type": "text/csv"})
    assert expected == [float(line) for line in answer.text.splitlines()]
    headers = {"x-amzn-sagemaker-target-model": "v1.0"}
    content = json.dumps({"instances": rows})
    answer = service.send("POST", "/endpoints/small/invocations", content=content, headers=headers)
    assert expected == answer.json()["predictions"]


def test_one_row_is_predicted_as_among_others() -> None:
    """By the engine itself."""
    model, matrix = trained(takes_values=False)
    engine = Pickled(dumped(model), SCHEMA, takes_values=False)
    many = engine.predict(array("d", matrix.ravel()), 300)
    assert many == [engine.predict_one(row) for row in matrix.tolist()]


def test_a_model_that_loses_rows_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prediction for another row would be no better than none."""
    model, matrix = trained(takes_values=False)
    engine = Pickled(dumped(model), SCHEMA, takes_values=False)
    monkeypatch.setattr(HistGradientBoostingClassifier, "predict_proba", lambda _, rows: np.zeros((len(rows) - 1, 2)))
    with pytest.raises(EngineError, match=r"shape \(299,\) for 300 rows"):
        engine.predict(array("d", matrix.ravel()), 300)
