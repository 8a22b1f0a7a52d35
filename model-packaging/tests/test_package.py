"""What becomes of a training's folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
import skl2onnx
import sklearn
import xgboost
from conftest import FEATURES, Data, MakeFolder, Write
from onnx import TensorProto, helper
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from model_packaging.package import package
from model_packaging.refusal import Refusal
from model_packaging.schema import Feature

NAMES = [feature.name for feature in FEATURES]
Packed = Callable[..., dict[str, Any]]


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    """Packages a folder."""

    def run(folder: Path, keep_native: bool = False) -> dict[str, Any]:
        return package({"folder": str(folder), "work": str(tmp_path), "keep_native": keep_native}, lambda line: None)

    return run


def refusal(packed: Packed, folder: Path) -> str:
    """Why it is refused."""
    with pytest.raises(Refusal) as raised:
        packed(folder)
    assert raised.value.fix
    return raised.value.what


def trained_xgboost(data: Data, **settings: Any) -> Any:
    kinds = ["c" if feature.is_category else "float" for feature in FEATURES]
    matrix = xgboost.DMatrix(data[0], data[1], feature_types=kinds, enable_categorical=True)
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1, **settings}, matrix, 10)
    return model, model.predict(matrix)


def pickled(make_folder: MakeFolder, model: Any, predictions: Any, **changes: Any) -> Path:
    return make_folder("sklearn-pickle", "model.pkl", lambda path: joblib.dump(model, path), predictions, **changes)


@pytest.mark.parametrize("format", ["xgboost-json", "xgboost-ubj"])
def test_xgboost_becomes_lightgbm_text(format: str, make_folder: MakeFolder, packed: Packed, data: Data) -> None:
    """With the proof, golden requests of the original, and the time a row takes."""
    model, predictions = trained_xgboost(data)
    folder = make_folder(format, f"model.{format[8:]}", model.save_model, predictions)
    answer = packed(folder)
    proof = answer["conversion"]
    assert ("lightgbm-text", 1e-6, 20) == (answer["format"], answer["tolerance"], len(answer["golden"]))
    assert ("400 held-out rows", 400, True) == (proof["checked"], proof["rows"], proof["hard_rows"] > 100)
    assert 1e-6 >= proof["largest_difference"]
    assert {"original", "lightgbm-text"} == proof["one_row_microseconds"].keys()
    served = lightgbm.Booster(model_file=str(Path(folder).parent / "converted"))
    np.testing.assert_allclose(served.predict(data[0]), predictions, atol=1e-6)
    assert NAMES == served.feature_name() == list(answer["golden"][0]["instance"])
    assert float(predictions[0]) == answer["golden"][0]["prediction"]


def test_a_pipeline_with_histograms(make_folder: MakeFolder, packed: Packed, data: Data, table: Any) -> None:
    """What most people write first is served as LightGBM text, exactly."""
    model = HistGradientBoostingClassifier(max_iter=10, categorical_features=["carrier"]).fit(table, data[1])
    answer = packed(pickled(make_folder, model, model.predict_proba(table)[:, 1], input="values"))
    assert ("lightgbm-text", 1e-9) == (answer["format"], answer["tolerance"])
    assert 1e-15 >= answer["conversion"]["largest_difference"]


def test_a_forest_is_measured_as_both(make_folder: MakeFolder, packed: Packed, data: Data) -> None:
    """Where both forms agree the faster one serves, and the times of both are recorded."""
    model = make_pipeline(SimpleImputer(), RandomForestClassifier(5, max_depth=4, random_state=0))
    model.fit(data[0].astype(np.float32), data[1])
    times = packed(pickled(make_folder, model, model.predict_proba(data[0])[:, 1]))["conversion"][
        "one_row_microseconds"
    ]
    assert {"original", "lightgbm-text", "onnx"} == times.keys()


def test_other_models_become_graphs(make_folder: MakeFolder, packed: Packed, data: Data, table: Any) -> None:
    """Values as they are written, missing ones among them, become numbers at the beginning of a graph of one matrix."""
    encode = ColumnTransformer(
        [
            ("c", OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
            ("n", make_pipeline(SimpleImputer(), StandardScaler()), ["temp", "minute", "delay"]),
        ]
    )
    model = make_pipeline(encode, LogisticRegression()).fit(table, data[1])
    answer = packed(pickled(make_folder, model, model.predict_proba(table)[:, 1], input="values"))
    assert ("onnx", 1e-5) == (answer["format"], answer["tolerance"])
    assert {"input": "codes", "output": "probabilities", "column": 1} == answer["onnx"]


def test_a_regressor_has_a_tolerance_of_its_own_size(make_folder: MakeFolder, packed: Packed, data: Data) -> None:
    """Single precision is relative: predictions in the thousands agree to a hundredth."""
    network = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", max_iter=5000, random_state=0)
    model = make_pipeline(SimpleImputer(), StandardScaler(), network).fit(data[0], data[1])
    network.intercepts_[-1] += 5000.0
    answer = packed(pickled(make_folder, model, model.predict(data[0])))
    assert ("onnx", {"input": "codes", "output": "variable", "column": None}) == (answer["format"], answer["onnx"])
    assert 0.04 < answer["tolerance"] < 0.07


def test_graphs_are_served_as_they_are(make_folder: MakeFolder, packed: Packed, data: Data) -> None:
    """Their inputs and outputs are found out, their predictions checked."""
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(data[0], data[1])
    graph = skl2onnx.convert_sklearn(
        model, initial_types=[("x", FloatTensorType([None, 4]))], options={id(model): {"zipmap": False}}
    )

    def save(path: str) -> None:
        Path(path).write_bytes(graph.SerializeToString())

    answer = packed(make_folder("onnx", "model.onnx", save, model.predict_proba(data[0])[:, 1]))
    assert {"input": "codes", "output": "probabilities", "column": 1} == answer["onnx"]
    assert "format" not in answer
    assert "recorded differ by more than 1e-05 on 400 of 400 rows" in refusal(
        packed, make_folder("onnx", "model.onnx", save, data[1])
    )
    form = {"output": "probabilities", "column": 7}
    assert "output 'probabilities' has 2 columns; there is no column 7" == refusal(
        packed, make_folder("onnx", "model.onnx", save, data[1], onnx=form)
    )


def columns_summed(kinds: dict[str, int]) -> bytes:
    """A graph with an input for each column whose weighted sum comes out as a double."""
    nodes = [helper.make_node("Cast", [name], [f"{n}"], to=TensorProto.DOUBLE) for n, name in enumerate(kinds)]
    nodes.append(helper.make_node("Sum", [f"{n}" for n in range(len(kinds))], ["sum"]))
    given = [helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in kinds.items()]
    graph = helper.make_graph(nodes, "g", given, [helper.make_tensor_value_info("sum", TensorProto.DOUBLE, [None, 1])])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(made.SerializeToString())


def test_graphs_of_other_types_are_served(write: Write) -> None:
    """Whole numbers, doubles and true and false: rows are made of what each can hold, and compared."""
    kinds = {"n_items": TensorProto.INT64, "b": TensorProto.DOUBLE, "flag": TensorProto.BOOL, "d": TensorProto.INT8}
    features = (Feature("n items", False), Feature("b", False), Feature("flag", False), Feature("d", False, ("p", "q")))
    data = columns_summed(kinds)
    golden = [{"instance": {"n items": 2**40, "b": 0.1, "flag": 1, "d": "q"}, "prediction": 2.0**40 + 2.1}]

    def save(path: str) -> None:
        Path(path).write_bytes(data)

    told: list[str] = []
    folder = write("onnx", "m.onnx", save, features, golden=golden)
    answer = package({"folder": str(folder), "work": str(folder.parent), "keep_native": False}, told.append)
    assert {"input": "values", "output": "sum", "column": None} == answer["onnx"]
    assert any("computes what is recorded of 1 golden requests; largest difference 0" in line for line in told)
    golden[0]["instance"]["n items"] = 2.5
    folder = write("onnx", "m.onnx", save, features, golden=golden)
    with pytest.raises(Refusal, match=r"n items: found 2\.5; the graph takes whole numbers"):
        package({"folder": str(folder), "work": str(folder.parent), "keep_native": False}, told.append)
    folder = write("onnx", "m.onnx", save, (replace(features[0], nullable=True), *features[1:]))
    with pytest.raises(Refusal, match='write `"nullable": false` into feature_schema'):
        package({"folder": str(folder), "work": str(folder.parent), "keep_native": False}, told.append)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"initial_types": [("x", FloatTensorType([None, 3]))]}, r"export the graph with the shape \[None, 4\]"),
        ({"initial_types": [("x", FloatTensorType([7, 4]))]}, r"x is of shape \[7, 4\]"),
        ({"options": None}, "which output is the prediction"),
    ],
)
def test_graphs_that_serving_cannot_ask(
    make_folder: MakeFolder, packed: Packed, data: Data, changes: dict[str, Any], reason: str
) -> None:
    """Another width, a fixed number of rows, probabilities in dictionaries: the mistake is named."""
    width = changes.get("initial_types", [("x", FloatTensorType([None, 4]))])[0][1].shape[1]
    model = LogisticRegression().fit(np.nan_to_num(data[0][:, :width]), data[1])
    usual = {"initial_types": [("x", FloatTensorType([None, 4]))], "options": {id(model): {"zipmap": False}}}
    graph = skl2onnx.convert_sklearn(model, **{**usual, **changes})

    def save(path: str) -> None:
        Path(path).write_bytes(graph.SerializeToString())

    with pytest.raises(Refusal, match=reason):
        packed(make_folder("onnx", "model.onnx", save, data[1]))


def test_foreign_operators_and_other_bytes_are_no_graph(make_folder: MakeFolder, packed: Packed, data: Data) -> None:
    """Only ONNX's own operators are served, and only whole files."""
    model = LogisticRegression().fit(np.nan_to_num(data[0]), data[1])
    graph = skl2onnx.convert_sklearn(
        model, initial_types=[("x", FloatTensorType([None, 4]))], options={id(model): {"zipmap": False}}
    )
    graph.graph.node[0].domain = "com.example"
    for content, reason in ((graph.SerializeToString(), "operators of com.example"), (b"\x08", "not an? .*graph")):
        folder = make_folder("onnx", "model.onnx", lambda path, c=content: Path(path).write_bytes(c), data[1])  # type: ignore[misc]
        with pytest.raises(Refusal, match=reason):
            packed(folder)


def test_lightgbm_is_only_checked(make_folder: MakeFolder, packed: Packed, data: Data) -> None:
    """Nothing is converted; golden requests are made where there are none, and kept where there are."""
    model = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1},
        lightgbm.Dataset(data[0], data[1], feature_name=NAMES),
        5,
    )
    predictions = model.predict(data[0])
    answer = packed(make_folder("lightgbm-text", "model.txt", model.save_model, predictions))
    assert ["golden"] == list(answer)
    assert {} == packed(
        make_folder("lightgbm-text", "model.txt", model.save_model, predictions, golden=answer["golden"])
    )
    wrong = [{**answer["golden"][0], "prediction": 0.99}]
    told = refusal(packed, make_folder("lightgbm-text", "model.txt", model.save_model, predictions, golden=wrong))
    assert "on 1 of 401 rows (first 401)" in told
    assert "made row 1: LightGBM" in told
    for instance, reason in (
        ({"temp": 1}, "a golden request lacks 'carrier'"),
        ({**answer["golden"][0]["instance"], "temp": "hot"}, "a golden request: temp: found 'hot'; the schema allows"),
    ):
        golden = [{"instance": instance, "prediction": 0.5}]
        folder = make_folder("lightgbm-text", "model.txt", model.save_model, predictions, golden=golden)
        assert refusal(packed, folder).startswith(reason)
    other = make_folder("lightgbm-text", "model.txt", model.save_model, predictions[::-1])
    assert "recorded differ by more than 1e-09" in refusal(packed, other)


def test_without_held_out_rows_some_are_drawn(make_folder: MakeFolder, packed: Packed, data: Data) -> None:
    """And the proof says so."""
    model, predictions = trained_xgboost(data)
    proof = packed(make_folder("xgboost-json", "m.json", model.save_model, predictions, holdout=None))["conversion"]
    assert "2,000 rows drawn from the schema (the folder has no held-out rows)" == proof["checked"]


def test_the_stated_tolerance_counts(make_folder: MakeFolder, packed: Packed, data: Data) -> None:
    """One that is stricter than single precision refuses XGBoost, one that is wider lets recorded noise pass."""
    model, predictions = trained_xgboost(data)
    strict = make_folder("xgboost-json", "m.json", model.save_model, predictions, tolerance=1e-12)
    told = refusal(packed, strict)
    assert told.startswith(
        "no form that can be served is faithful to the model\nas lightgbm-text: lightgbm-text and XGB"
    )
    noisy = predictions + 1e-4
    assert "differ by more than 1e-06 on 400 of 400" in refusal(
        packed, make_folder("xgboost-json", "m.json", model.save_model, noisy)
    )
    assert 1e-3 == packed(make_folder("xgboost-json", "m.json", model.save_model, noisy, tolerance=1e-3))["tolerance"]


def test_a_pickle_without_a_form_is_kept_only_when_asked(
    make_folder: MakeFolder, packed: Packed, data: Data, table: Any
) -> None:
    """Zeros of a sparse matrix are missing to XGBoost, which no other form can say."""
    encode = ColumnTransformer(
        [("c", OneHotEncoder(handle_unknown="ignore"), ["carrier"]), ("n", "passthrough", ["temp", "minute", "delay"])]
    )
    model = make_pipeline(encode, xgboost.XGBClassifier(n_estimators=3, n_jobs=1)).fit(table, data[1])
    model[0].sparse_output_ = True
    model[0].set_params(sparse_threshold=1.0).fit(table)
    model[1].fit(model[0].transform(table), data[1])
    folder = pickled(make_folder, model, model.predict_proba(table)[:, 1], input="values")
    assert "makes some values of temp missing" in refusal(packed, folder)
    native = packed(folder, keep_native=True)
    assert "format" not in native
    assert f"scikit-learn {sklearn.__version__}" == native["native"]["library"]


def test_what_a_model_does_not_take_is_told(make_folder: MakeFolder, packed: Packed, data: Data) -> None:
    """A schema that allows missing values, and a model that does not."""
    model = LogisticRegression().fit(np.nan_to_num(data[0]), data[1])
    told = refusal(packed, pickled(make_folder, model, data[1]))
    assert "the model fails on rows that the schema allows: Input X contains NaN." in told


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda x, y: RandomForestClassifier(2).fit(x, np.arange(len(y)) % 3), "has 3 classes"),
        (lambda x, y: make_pipeline(SimpleImputer(), RidgeClassifier()).fit(x, y), "gives classes, no probabilities"),
        (lambda x, y: {"not": "a model"}, "holds a dict"),
    ],
)
def test_models_that_cannot_be_asked(
    make_folder: MakeFolder, packed: Packed, data: Data, model: Any, reason: str
) -> None:
    """Several classes, classes without probabilities, no model at all."""
    assert reason in refusal(packed, pickled(make_folder, model(*data), data[1]))


def test_a_pickle_of_another_version_names_both(make_folder: MakeFolder, packed: Packed, data: Data) -> None:
    """A pickle is true to its own version of scikit-learn only."""
    model = RandomForestClassifier(2).fit(data[0], data[1])
    state = RandomForestClassifier.__getstate__

    def old(self: Any) -> Any:
        return {**state(self), "_sklearn_version": "1.2.0"}

    RandomForestClassifier.__getstate__ = old
    try:
        folder = pickled(make_folder, model, model.predict_proba(data[0])[:, 1])
    finally:
        RandomForestClassifier.__getstate__ = state
    told = refusal(packed, folder)
    assert f"written by scikit-learn 1.2.0; this program has {sklearn.__version__}" in told


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda lines: ["x,y", *lines[1:]], "the header is not the schema's features"),
        (lambda lines: [*lines[:3], "1,2", *lines[4:]], "holdout.csv line 4: found 2 fields, expected 6"),
        (lambda lines: lines[:-1], "found 399 rows, metadata.json says 400"),
        (
            lambda lines: [lines[0], "999,A,5,1,0.5,1", *lines[2:]],
            "line 2: temp: found 999.0; the schema allows -50 to",
        ),
        (lambda lines: [lines[0], "20,A,,1,0.5,1", *lines[2:]], "line 2: minute: found None"),
        (lambda lines: [lines[0], "20,A,warm,1,0.5,1", *lines[2:]], "line 2: found 'warm', expected a number"),
        (lambda lines: [lines[0], "20,A,5,1,nan,1", *lines[2:]], "line 2: the prediction is not a finite number"),
    ],
)
def test_held_out_rows_must_fit_the_schema(
    make_folder: MakeFolder, packed: Packed, data: Data, spoil: Callable[[list[str]], list[str]], reason: str
) -> None:
    """A mistake is named with its line."""
    model, predictions = trained_xgboost(data)
    folder = make_folder("xgboost-json", "m.json", model.save_model, predictions)
    file = folder / "holdout.csv"
    file.write_text("\n".join(spoil(file.read_text().splitlines())) + "\n")
    assert reason in refusal(packed, folder)


def test_a_value_that_the_schema_lacks_is_named(make_folder: MakeFolder, packed: Packed, data: Data) -> None:
    """It counts as missing, so a model that was trained on it does not compute what was recorded of it."""
    model, predictions = trained_xgboost(data)
    folder = make_folder("xgboost-json", "m.json", model.save_model, predictions)
    document = json.loads((folder / "metadata.json").read_text())
    document["feature_schema"]["features"][1]["values"].remove("L")
    (folder / "metadata.json").write_text(json.dumps(document))
    told = refusal(packed, folder).splitlines()[-1]
    assert "held-out values that feature_schema does not list count as missing: carrier L" == told


def test_other_features_than_the_schema_s(make_folder: MakeFolder, packed: Packed, data: Data) -> None:
    """Names, order and number must be the schema's."""
    model = xgboost.train({"nthread": 1}, xgboost.DMatrix(data[0], data[1], feature_names=NAMES[::-1]), 2)
    folder = make_folder("xgboost-json", "m.json", model.save_model, data[1])
    assert "features are not the schema's, in its order: delay, minute" in refusal(packed, folder)
    (folder / "m.json").write_text(json.dumps({"learner": {}}))
    assert "XGBoost does not load the model" in refusal(packed, folder)
