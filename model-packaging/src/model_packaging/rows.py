"""The rows that a model is checked on: held out by its training, drawn from its schema, and made to be hard."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_packaging.refusal import Refusal
from model_packaging.schema import EXACT, FAR, Described, Feature, Matrix, Vector
from model_packaging.special import Marks

MOST_ROWS = 100_000
_MOST_BOUNDS = 3_000
_SEED = 2013
_TINY = 1e-30
_USUAL, _WIDE = 1e4, 1e5
_OF_MARKS = 0.75
_STEP = 7_919
# limits of rows that are varied one number at a time: more would take long, or much memory with many features
_MOST_VARIED, _MOST_NUMBERS = 20_000, 20_000_000
_AGAIN = "write the held-out rows again as docs/model-bucket.md says"


@dataclass(frozen=True)
class Holdout:
    """Held-out rows; `predictions` are the training library's, a label is NaN where it is not known."""

    matrix: Matrix
    predictions: Vector
    labels: Vector


def read_holdout(described: Described) -> Holdout | None:
    """The held-out rows of a folder, None when it has none. Raises Refusal at a field that the schema does not take."""
    found = read_instances(described)
    if found is None:
        return None
    matrix = [encode(described.features, instance, where) for where, instance, _, _ in found]
    return Holdout(
        np.array(matrix, dtype=np.float64).reshape(len(found), len(described.features)),
        np.array([prediction for _, _, prediction, _ in found]),
        np.array([label for _, _, _, label in found]),
    )


def read_instances(described: Described) -> list[tuple[str, dict[str, Any], float, float]] | None:
    """The held-out rows as requests hold them: where in the file, the row, prediction, label (NaN: not known).

    None when the folder has none. Raises Refusal when the file is not as docs/model-bucket.md says.
    """
    entry = described.document.get("holdout")
    if entry is None:
        return None
    path = described.folder / entry["file"]
    found: list[tuple[str, dict[str, Any], float, float]] = []
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        if next(lines, []) != [*described.names, "prediction", "label"]:
            raise Refusal(f"{path.name}: the header is not the schema's features, `prediction` and `label`", _AGAIN)
        for line in lines:
            where = f"{path.name} line {lines.line_num}"
            if len(line) != len(described.features) + 2:
                raise Refusal(f"{where}: found {len(line)} fields, expected {len(described.features) + 2}", _AGAIN)
            if len(found) == MOST_ROWS:
                raise Refusal(f"{path.name}: more than {MOST_ROWS:,} rows", "keep a sample of them")
            instance = {f.name: _value(f, text, where) for f, text in zip(described.features, line, strict=False)}
            prediction = _number(line[-2], where)
            if not np.isfinite(prediction):
                raise Refusal(f"{where}: the prediction is not a finite number", _AGAIN)
            found.append((where, instance, prediction, _number(line[-1] or "nan", where)))
    if len(found) != entry["rows"]:
        raise Refusal(f"{path.name}: found {len(found):,} rows, metadata.json says {entry['rows']:,}", _AGAIN)
    return found


def encode(features: Sequence[Feature], instance: Mapping[str, Any], where: str = "a golden request") -> list[float]:
    """A request's row as codes. Raises Refusal, which says `where`, when it does not fit the schema."""
    return [_code(feature, instance[feature.name], where) for feature in features]


def decode(features: Sequence[Feature], row: Vector) -> dict[str, Any]:
    """A row as a request holds it; whole numbers are written without a fraction."""
    return {feature.name: _to_json(feature, float(value)) for feature, value in zip(features, row, strict=True)}


def span(feature: Feature) -> tuple[float, float]:
    """The range to draw a number from when only the schema is known."""
    low, high = feature.minimum, feature.maximum
    low = max(low, min(-_USUAL, high - _USUAL)) if low <= -FAR else low
    high = min(high, max(_USUAL, low + _USUAL)) if high >= FAR else high
    return low, high


def drawn(features: Sequence[Feature], marks: Marks, count: int, seed: int = _SEED) -> Matrix:
    """Rows drawn from what the schema allows, one in ten values missing where that is allowed.

    `marks` are numbers between which the model's predictions change, where known. Most numbers are drawn between two
    neighbouring marks: drawn from all that the schema allows, they might miss that range. Half of them are whole.
    """
    random = np.random.default_rng(seed)
    columns = []
    for feature, marked in zip(features, marks, strict=True):
        if feature.is_category:
            values = random.integers(0, len(feature.values), count).astype(np.float64)
        else:
            bounded = feature.minimum > -FAR and feature.maximum < FAR
            between = _between(random, feature, marked, count)
            if between is None:
                values = _spread(random, *span(feature), count)
            elif bounded:
                spread = _spread(random, *span(feature), count)
                values = np.where(random.random(count) < _OF_MARKS, between, spread)
            else:
                values = between
            whole = np.clip(np.rint(values), np.ceil(feature.minimum), np.floor(feature.maximum))
            fits = (
                ((random.random(count) < 0.5) | feature.whole) & (whole >= feature.minimum) & (whole <= feature.maximum)
            )
            values = np.where(fits, whole, values)
        if feature.nullable:
            values[random.random(count) < 0.1] = np.nan
        columns.append(values)
    return np.column_stack(columns)


def _between(random: np.random.Generator, feature: Feature, marks: Vector | None, count: int) -> Vector | None:
    """Numbers between neighbouring marks, and somewhat beyond the outer ones; None where the feature allows none."""
    if marks is None:
        return None
    around = (marks[-1] - marks[0]) / 4 or max(1.0, abs(marks[0]) / 4)
    ends = np.unique(np.clip([marks[0] - around, *marks, marks[-1] + around], feature.minimum, feature.maximum))
    if len(ends) < 2:
        return None
    cell = random.integers(0, len(ends) - 1, count)
    return np.clip(random.uniform(ends[cell], ends[cell + 1]), feature.minimum, feature.maximum)


def _spread(random: np.random.Generator, low: float, high: float, count: int) -> Vector:
    """Evenly from low to high; in a wide range every other value is drawn by its order of magnitude."""
    # halved first, as the width of all doubles is beyond the largest double
    even: Vector = low + random.random(count) * (high / 2 - low / 2) * 2
    if high - low <= _WIDE:
        return even
    start = min(max(low, 0.0), high)
    signs = np.where(random.random(count) < (0.5 if low < start < high else float(high > start)), 1.0, -1.0)
    reach = np.where(signs > 0, high - start, start - low)
    sizes = 10.0 ** random.uniform(-3, np.log10(np.maximum(reach, 1.0)))
    by_size = np.clip(start + signs * sizes, low, high)
    return np.where(random.random(count) < 0.5, by_size, even)


def special(features: Sequence[Feature], rows: Matrix, numbers: Vector) -> Matrix:
    """Rows with one number at one of `numbers`, as far beside it as single precision can tell, or at a bound."""
    made = []
    for position, feature in enumerate(features):
        if not feature.is_category:
            at = np.unique(np.append(numbers, [n for n in (feature.minimum, feature.maximum) if abs(n) < FAR]))
            made.append((position, _allowed(feature, np.concatenate([at, *_floats_beside(at)[1:]]))))
    return _varied(rows, made)


def _floats_beside(at: Vector) -> list[Vector]:
    singles = at.astype(np.float32)
    beside = [np.nextafter(singles, np.float32(end)).astype(np.float64) for end in (-np.inf, np.inf)]
    return [singles.astype(np.float64), *beside]


def _allowed(feature: Feature, values: Vector) -> Vector:
    """Those within the feature's bounds, once each. What is nearer to zero than 1e-30 is zero, as for LightGBM."""
    values = np.unique(np.where(np.abs(values) < _TINY, 0.0, values))
    if feature.whole:
        values = values[(np.rint(values) == values) & (np.abs(values) <= EXACT)]
    return values[(values >= feature.minimum) & (values <= feature.maximum)]


def one_missing(features: Sequence[Feature], rows: Matrix) -> Matrix:
    """For each feature that may be missing, some of `rows` without it; and one row without any of them."""
    nullable = [position for position, feature in enumerate(features) if feature.nullable]
    empty = rows[:1].copy()
    empty[:, nullable] = np.nan
    return np.vstack([_varied(rows, [(position, np.full(5, np.nan)) for position in nullable]), empty])


def each_category(features: Sequence[Feature], rows: Matrix) -> Matrix:
    """For each value of each category a row with it."""
    codes = [(position, np.arange(float(len(feature.values)))) for position, feature in enumerate(features)]
    return _varied(rows, codes)


def at_bounds(features: Sequence[Feature], rows: Matrix, feature: np.ndarray[Any, Any], threshold: Vector) -> Matrix:
    """Rows with one number exactly at a split's threshold, and at the doubles and floats next to it.

    `feature` and `threshold` have shape (splits,). At most 3,000 splits are taken, spread evenly.
    """
    picked = np.linspace(0, len(threshold) - 1, min(len(threshold), _MOST_BOUNDS)).astype(int)
    made = []
    for position in np.unique(feature[picked]).tolist():
        limits = features[position]
        at = np.unique(threshold[picked][feature[picked] == position])
        at = at[(at >= limits.minimum) & (at <= limits.maximum) & ((np.abs(at) > _TINY) | (at == 0))]
        near = [np.nextafter(at, -np.inf), at, np.nextafter(at, np.inf)]
        made.append((position, _allowed(limits, np.concatenate([*near, *_floats_beside(at)]))))
    return _varied(rows, made)


def _varied(rows: Matrix, made: Sequence[tuple[int, Vector]]) -> Matrix:
    """Some of `rows`, each with one feature changed to one of its values; evenly picked ones if there are too many."""
    position = np.repeat([n for n, _ in made], [len(values) for _, values in made]).astype(np.intp)
    values = np.concatenate([np.empty(0), *(values for _, values in made)])
    most = min(_MOST_VARIED, _MOST_NUMBERS // rows.shape[1])
    picked = np.linspace(0, len(values) - 1, min(len(values), most)).astype(np.intp)
    # a prime step: neighbouring values get rows that are far apart
    varied = rows[np.arange(len(picked)) * _STEP % len(rows)]
    varied[np.arange(len(picked)), position[picked]] = values[picked]
    return varied


def _value(feature: Feature, text: str, where: str) -> Any:
    if text == "":
        return None
    return text if feature.is_category else _number(text, where)


def _code(feature: Feature, value: Any, where: str) -> float:
    if value is None:
        code = float("nan")
    elif feature.is_category:
        code = feature.codes.get(str(value), float("nan"))
    else:
        code = float(value) if isinstance(value, int | float) else float("inf")
    if np.isnan(code) and not feature.nullable:
        raise Refusal(f"{where}: {feature.name}: found {value!r}, which the schema does not allow", _AGAIN)
    if not feature.is_category and not np.isnan(code) and not feature.minimum <= code <= feature.maximum:
        allowed = f"{feature.minimum:g} to {feature.maximum:g}"
        raise Refusal(f"{where}: {feature.name}: found {value!r}; the schema allows {allowed}", _AGAIN)
    if feature.whole and not code.is_integer():
        raise Refusal(f"{where}: {feature.name}: found {value!r}; the graph takes whole numbers", _AGAIN)
    return code


def as_written(value: Any) -> Any:
    """A value as a person writes it: whole numbers without a fraction."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _to_json(feature: Feature, value: float) -> Any:
    if np.isnan(value):
        return None
    return feature.values[int(value)] if feature.is_category else as_written(value)


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Refusal(f"{where}: found {text[:40]!r}, expected a number", _AGAIN) from None
