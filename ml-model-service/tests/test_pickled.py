"""Pickles: from a named bucket only, and only as the library that wrote them reads them."""

from __future__ import annotations

import importlib.util
import io
from array import array
from pathlib import Path

import msgspec
import numpy as np
import pytest

from conftest import FEATURES
from ml_model_service.engines import EngineError
from ml_model_service.engines.pickled import Pickled, check_policy
from ml_model_service.schema import Feature

SCHEMA = msgspec.convert(FEATURES, tuple[Feature, ...])
no_scikit_learn = importlib.util.find_spec("joblib") is None or importlib.util.find_spec("pandas") is None


@pytest.mark.parametrize("policy", [None, "", " , ", "/elsewhere", "file:///", "BUCKET/v1.0", "BUCKET-2"])
def test_a_bucket_that_the_policy_does_not_name(tmp_path: Path, policy: str | None) -> None:
    """Is refused, and the message says what would have to name it."""
    with pytest.raises(EngineError, match="MODEL_PICKLES must name its bucket"):
        check_policy(tmp_path, policy.replace("BUCKET", str(tmp_path)) if policy else policy)


@pytest.mark.parametrize("policy", ["BUCKET", "BUCKET/", "file://BUCKET", "/elsewhere, BUCKET"])
def test_a_bucket_that_the_policy_names(tmp_path: Path, policy: str) -> None:
    """By path or by URI, alone or among others."""
    check_policy(tmp_path, policy.replace("BUCKET", str(tmp_path)))


@pytest.mark.skipif(not no_scikit_learn, reason="scikit-learn is installed")
def test_an_image_without_scikit_learn_says_what_is_missing() -> None:
    """Nothing is unpickled then."""
    with pytest.raises(EngineError, match=r"this image has no joblib: add it to requirements.lock"):
        Pickled(b"", SCHEMA, takes_values=False)


@pytest.mark.skipif(no_scikit_learn, reason="scikit-learn is not part of this service")
@pytest.mark.parametrize("takes_values", [False, True])
def test_a_kept_model_answers_as_it_was_trained(takes_values: bool) -> None:
    """On codes, or on a table with the categories as they are written."""
    import joblib
    import pandas
    from sklearn.ensemble import HistGradientBoostingClassifier

    random = np.random.default_rng(0)
    matrix = np.column_stack([random.integers(0, n, 300) for n in (3, 2, 90, 1440)]).astype(np.float64)
    matrix[::5, 0] = np.nan
    table = pandas.DataFrame(matrix, columns=[feature.name for feature in SCHEMA])
    if takes_values:
        table["airline"] = np.array(["AA", "B6", "UA", np.nan], dtype=object)[
            np.nan_to_num(matrix[:, 0], nan=3).astype(int)
        ]
        table["origin"] = np.array(["EWR", "JFK"], dtype=object)[matrix[:, 1].astype(int)]
    model = HistGradientBoostingClassifier(
        max_iter=3, categorical_features=["airline", "origin"] if takes_values else None
    ).fit(table, matrix[:, 3] > 700)
    data = io.BytesIO()
    joblib.dump(model, data)
    engine = Pickled(data.getvalue(), SCHEMA, takes_values)
    expected = model.predict_proba(table)[:, 1].tolist()
    assert expected == engine.predict(array("d", matrix.ravel()), 300)
    assert expected[7] == engine.predict_one(matrix[7].tolist())
