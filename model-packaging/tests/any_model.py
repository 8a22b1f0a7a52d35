"""Models of many kinds with odd settings, each with what its own library answers to rows as its author has them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from model_packaging.schema import Feature, Matrix, Vector

_ROWS = 300
_NUMBERS: dict[str, tuple[Callable[[Any, int], Vector], dict[str, float]]] = {
    "unit": (lambda r, n: r.random(n), {"minimum": 0.0, "maximum": 1.0}),
    "normal": (lambda r, n: r.normal(0, 3, n), {}),
    "count": (lambda r, n: r.poisson(2, n).astype(float), {"minimum": 0.0}),
    "epoch": (lambda r, n: np.floor(r.uniform(1.7e9, 1.75e9, n)), {"minimum": 1.7e9}),
    "epoch within": (lambda r, n: r.uniform(1.7e9, 1.75e9, n), {"minimum": 1.7e9, "maximum": 1.8e9}),
    "money": (lambda r, n: np.round(10 ** r.uniform(0, 6, n), 2), {"minimum": 0.0, "maximum": 1e12}),
    "far": (lambda r, n: r.normal(5e7, 1e5, n), {}),
    "sentinel": (lambda r, n: np.where(r.random(n) < 0.2, -999.0, r.normal(0, 30, n)), {"minimum": -999.0}),
    "small": (lambda r, n: r.normal(0, 1e-6, n), {}),
}
_WORDS = ("red", "amber", "blue", "green", "7", "3", "violet", "10", "ä", "no", "yes", "a b")
_SPECIAL = (0.0, -1.0, 1.0, -999.0, 999.0, 0.5, 2.0, 3.0, -9999.0, 1e5)


@dataclass(frozen=True)
class AnyModel:
    """A folder as a training writes it; `library` answers as the author would ask, `rows` are fresh ones."""

    what: str
    folder: Path
    features: tuple[Feature, ...]
    rows: Matrix
    library: Callable[[Matrix], Vector]


def make(seed: int, folder: Path) -> AnyModel:
    """The model of a seed. May raise whatever a library does to odd settings."""
    random = np.random.default_rng(seed)
    features, draws = _features(random)
    train, fresh = (_matrix(random, features, draws, _ROWS) for _ in range(2))
    _sprinkle(random, features, fresh)
    score = sum(
        (np.nan_to_num(c) - np.nanmean(c)) / (np.nanstd(c) + 1e-9) * random.normal()
        for c in train.T
        if not np.all(np.isnan(c))
    )
    labels = (score + random.normal(0, 0.3, _ROWS) > 0).astype(int)
    kind = random.choice(["lightgbm", "xgboost", "pickle", "pickle", "pickle"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = {"lightgbm": _lightgbm, "xgboost": _xgboost, "pickle": _pickle}[kind](
            random, features, train, labels, folder
        )
    what, format, file, library, more = made
    entries = [
        {"name": f.name, "nullable": f.nullable}
        | ({"type": "category", "values": list(f.values)} if f.is_category else {"type": "number"})
        | ({} if f.is_category or f.minimum < -1e36 else {"minimum": f.minimum})
        | ({} if f.is_category or f.maximum > 1e36 else {"maximum": f.maximum})
        for f in features
    ]
    document = {
        "name": "m", "model_format": format, "model_file": file,
        "feature_schema": {"features": entries, "output": {"name": "p"}}, **more,
    }  # fmt: skip
    (folder / "metadata.json").write_text(json.dumps(document))
    return AnyModel(what, folder, features, fresh, library)


def _features(random: Any) -> tuple[tuple[Feature, ...], list[Any]]:
    features, draws = [], []
    nullable = random.random() < 0.7
    for n in range(int(random.integers(2, 5))):
        may_miss = bool(nullable and random.random() < 0.7)
        if random.random() < 0.3:
            words = tuple(random.permutation(_WORDS)[: random.integers(2, 7)].tolist())
            features.append(Feature(f"c{n}", may_miss, words))
            draws.append(None)
        else:
            kind = str(random.choice(list(_NUMBERS)))
            draw, bounds = _NUMBERS[kind]
            features.append(Feature(f"n{n}_{kind.replace(' ', '_')}", may_miss, (), **bounds))
            draws.append(draw)
    return tuple(features), draws


def _matrix(random: Any, features: tuple[Feature, ...], draws: list[Any], count: int) -> Matrix:
    columns = []
    for feature, draw in zip(features, draws, strict=True):
        values = random.integers(0, len(feature.values), count).astype(float) if draw is None else draw(random, count)
        if feature.nullable:
            values[random.random(count) < 0.1] = np.nan
        columns.append(values)
    return np.column_stack(columns)


def _sprinkle(random: Any, features: tuple[Feature, ...], matrix: Matrix) -> None:
    """Special values where the schema allows them."""
    for position, feature in enumerate(features):
        if not feature.is_category:
            allowed = [v for v in _SPECIAL if feature.minimum <= v <= feature.maximum]
            hit = random.random(len(matrix)) < 0.2
            if allowed:
                matrix[hit, position] = random.choice(allowed, int(hit.sum()))


def _table(features: tuple[Feature, ...], matrix: Matrix, orders: dict[str, list[Any]]) -> pd.DataFrame:
    """As the author has it: pandas' categories in the order that the author's data happened to have."""
    made = {}
    for n, f in enumerate(features):
        if f.is_category:
            typed = {str(v): v for v in orders[f.name]}
            made[f.name] = pd.Categorical(
                [None if np.isnan(c) else typed[f.values[int(c)]] for c in matrix[:, n]], categories=orders[f.name]
            )
        else:
            made[f.name] = matrix[:, n]
    return pd.DataFrame(made)


def _orders(random: Any, features: tuple[Feature, ...]) -> dict[str, list[Any]]:
    orders: dict[str, list[Any]] = {}
    for f in features:
        if f.is_category:
            values: list[Any] = random.permutation(f.values).tolist()
            orders[f.name] = [int(v) for v in values] if all(v.isdigit() for v in values) else values
    return orders


def _lightgbm(random: Any, features: Any, train: Matrix, labels: Any, folder: Path) -> Any:
    settings = {
        "objective": str(
            random.choice(
                ["binary", "regression", "poisson", "cross_entropy", "cross_entropy_lambda", "regression_l1",
                 "quantile", "tweedie", "gamma", "huber", "mape", "fair"]
            )
        ),
        "boosting": str(random.choice(["gbdt", "dart", "rf"])),
        "verbose": -1, "num_threads": 1, "seed": 1, "min_data_in_leaf": 5, "bagging_freq": 1, "bagging_fraction": 0.7,
        "zero_as_missing": bool(random.random() < 0.3), "use_missing": bool(random.random() < 0.8),
        "linear_tree": bool(random.random() < 0.2), "num_leaves": int(random.integers(3, 80)),
        "reg_sqrt": bool(random.random() < 0.2), "sigmoid": float(random.choice([1.0, 2.0])),
        "max_cat_to_onehot": int(random.choice([1, 4])),
    }  # fmt: skip
    if settings["boosting"] == "rf" or settings["objective"] == "regression_l1":
        settings["linear_tree"] = False
    target = labels + 0.5 if settings["objective"] in ("gamma",) else labels
    in_pandas = any(f.is_category for f in features) and random.random() < 0.7
    orders = _orders(random, features)
    names = [f.name for f in features]
    if in_pandas:
        given: Callable[[Matrix], Any] = lambda m: _table(features, m, orders)  # noqa: E731
        data = lightgbm.Dataset(given(train), target)
    else:
        given = lambda m: m  # noqa: E731
        categories = [n for n, f in enumerate(features) if f.is_category]
        data = lightgbm.Dataset(train, target, feature_name=names, categorical_feature=categories)
    booster = lightgbm.train(settings, data, int(random.integers(1, 30)))
    booster.save_model(folder / "model.txt")
    what = f"LightGBM {'of pandas' if in_pandas else 'of codes'} {settings}"
    return what, "lightgbm-text", "model.txt", lambda m: booster.predict(given(m)), {}


def _xgboost(random: Any, features: Any, train: Matrix, labels: Any, folder: Path) -> Any:
    objective = str(
        random.choice(
            ["binary:logistic", "binary:logitraw", "binary:hinge", "reg:squarederror", "reg:logistic", "count:poisson",
             "reg:tweedie", "reg:gamma", "reg:absoluteerror", "reg:pseudohubererror", "reg:squaredlogerror",
             "rank:pairwise"]
        )
    )  # fmt: skip
    settings: dict[str, Any] = {
        "objective": objective, "nthread": 1, "seed": 1, "max_depth": int(random.integers(1, 6)),
        "booster": str(random.choice(["gbtree", "gbtree", "gbtree", "dart", "gblinear"])), "rate_drop": 0.3,
        "num_parallel_tree": int(random.choice([1, 1, 3])), "subsample": 0.8,
        "max_cat_to_onehot": int(random.choice([1, 5])), "base_score": float(random.choice([0.3, 0.5])),
        "tree_method": str(random.choice(["hist", "hist", "approx", "exact"])),
    }  # fmt: skip
    if random.random() < 0.5:
        del settings["base_score"]
    target = labels + 0.5 if objective == "reg:gamma" else labels
    in_pandas = any(f.is_category for f in features) and random.random() < 0.6
    if settings["booster"] == "gblinear":
        in_pandas = False
    has_codes = settings["booster"] != "gblinear" and (in_pandas or random.random() < 0.5)
    if has_codes and settings["tree_method"] == "exact":
        settings["tree_method"] = "hist"
    orders = _orders(random, features)
    kinds = ["c" if f.is_category and has_codes else "float" for f in features]

    def given(m: Matrix, **more: Any) -> Any:
        if in_pandas:
            return xgboost.DMatrix(_table(features, m, orders), enable_categorical=True, **more)
        names = [f.name for f in features]
        return xgboost.DMatrix(m, feature_names=names, feature_types=kinds, enable_categorical=True, **more)

    data = given(train, label=target)
    early = random.random() < 0.4 and settings["booster"] != "gblinear" and not objective.startswith("rank")
    rounds = int(random.integers(2, 40))
    more: dict[str, Any] = {}
    if early:
        half = given(train[:80], label=target[:80])
        more = {"evals": [(half, "e")], "early_stopping_rounds": 2, "verbose_eval": False}
    booster = xgboost.train(settings, data, rounds, **more)
    suffix = str(random.choice(["json", "ubj"]))
    booster.save_model(folder / f"model.{suffix}")
    until = (0, booster.best_iteration + 1) if early else (0, 0)
    what = f"XGBoost {'of pandas' if in_pandas else 'of codes'} early={early} {settings}"
    return (
        what, f"xgboost-{suffix}", f"model.{suffix}", lambda m: booster.predict(given(m), iteration_range=until), {},
    )  # fmt: skip


def _before(random: Any, features: Any, by_values: bool) -> Any:
    """A step for each group of columns."""
    numbers = [n for n, f in enumerate(features) if not f.is_category]
    words = [n for n, f in enumerate(features) if f.is_category]
    may_miss = any(features[n].nullable for n in numbers)
    some_missing = np.nan if may_miss else float(random.choice([np.nan, -999.0, 0.0, -1.0]))
    steps = []
    if random.random() < 0.7 or any(f.nullable for f in features):
        strategy = str(random.choice(["mean", "median", "most_frequent", "constant"]))
        fill = {"fill_value": -1.0} if strategy == "constant" else {}
        steps.append(
            SimpleImputer(missing_values=some_missing, strategy=strategy, add_indicator=random.random() < 0.3, **fill)
        )
    scale = random.choice(
        [
            None, StandardScaler(), MinMaxScaler(clip=True), RobustScaler(), KBinsDiscretizer(4, encode="ordinal"),
            KBinsDiscretizer(4, encode="onehot-dense"), QuantileTransformer(n_quantiles=20), PowerTransformer(),
            FunctionTransformer(np.log1p), FunctionTransformer(np.abs), FunctionTransformer(np.nan_to_num),
            FunctionTransformer(np.clip, kw_args={"a_min": -1.0, "a_max": 2.0}), FunctionTransformer(np.round),
            FunctionTransformer(np.sign), Binarizer(threshold=0.5),
            OneHotEncoder(handle_unknown="ignore", sparse_output=False, max_categories=6),
        ]
    )  # fmt: skip
    steps += [scale] if scale is not None else []
    groups = []
    if numbers:
        groups.append(("n", make_pipeline(*steps) if steps else "passthrough", numbers))
    if words and by_values:
        encoder = random.choice(
            [
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=40, sparse_output=False),
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-5, encoded_missing_value=-2),
            ]
        )
        groups.append(("c", encoder, words))
    elif words:
        groups.append(("c", SimpleImputer(strategy="most_frequent"), words))
    return ColumnTransformer(groups)


def _pickle(random: Any, features: Any, train: Matrix, labels: Any, folder: Path) -> Any:
    missing = float(random.choice([np.nan, 0.0, -1.0, -999.0]))
    few = int(random.integers(2, 15))
    has_words = any(f.is_category for f in features)
    names = random.choice(np.array([[0, 1], [1, 2], ["bad", "good"], ["yes", "no"]], dtype=object))
    model = random.choice(
        [
            xgboost.XGBClassifier(n_estimators=few, missing=missing, n_jobs=1),
            xgboost.XGBRegressor(n_estimators=few, missing=missing, n_jobs=1, booster="dart"),
            xgboost.XGBClassifier(n_estimators=few, missing=0, n_jobs=1),
            xgboost.XGBRFClassifier(n_estimators=few, n_jobs=1),
            lightgbm.LGBMClassifier(n_estimators=few, verbose=-1, n_jobs=1, zero_as_missing=random.random() < 0.5),
            lightgbm.LGBMRegressor(n_estimators=few, verbose=-1, n_jobs=1, objective="tweedie"),
            RandomForestClassifier(few, max_depth=5, random_state=0), RandomForestRegressor(few, random_state=0),
            ExtraTreesRegressor(few, random_state=0), GradientBoostingClassifier(n_estimators=few, random_state=0),
            HistGradientBoostingClassifier(max_iter=few, random_state=0),
            HistGradientBoostingRegressor(max_iter=few, loss="poisson", random_state=0),
            LogisticRegression(), Ridge(), LinearRegression(), PoissonRegressor(), KNeighborsClassifier(3),
            MLPClassifier((5,), max_iter=50, random_state=0),
        ]
    )  # fmt: skip
    is_xgboost, is_classifier = isinstance(model, xgboost.XGBModel), hasattr(model, "predict_proba")
    target = np.array(names, dtype=object)[labels] if is_classifier and not is_xgboost else labels
    if is_classifier and not is_xgboost and isinstance(names[0], int):
        target = target.astype(int)
    in_pandas = has_words and isinstance(model, lightgbm.LGBMModel | xgboost.XGBModel) and random.random() < 0.4
    by_values = in_pandas or (has_words and random.random() < 0.6)
    orders = _orders(random, features)
    if in_pandas:
        if is_xgboost:
            model.set_params(enable_categorical=True)
    elif by_values or random.random() < 0.7 or any(f.nullable for f in features):
        model = make_pipeline(_before(random, features, by_values), model)
    names_ = [f.name for f in features]

    def given(m: Matrix) -> Any:
        if in_pandas:
            return _table(features, m, orders)
        if not by_values:
            return pd.DataFrame(m, columns=names_)
        return pd.DataFrame(
            {
                f.name: np.array([np.nan if np.isnan(c) else f.values[int(c)] for c in m[:, n]], dtype=object)
                if f.is_category
                else m[:, n]
                for n, f in enumerate(features)
            }
        )

    model.fit(given(train), target)
    joblib.dump(model, folder / "model.pkl")

    def library(m: Matrix) -> Vector:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(model.predict_proba(given(m))[:, 1] if is_classifier else model.predict(given(m)))

    return (
        f"pickle {' '.join(repr(model).split())} in_pandas={in_pandas} missing={missing}",
        "sklearn-pickle", "model.pkl", library, {"input": "values" if by_values else "codes"},
    )  # fmt: skip
