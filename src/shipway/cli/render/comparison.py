"""Two model versions side by side: metrics, calibration, the rows they disagree on, latency, size."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.lists import brief
from shipway.cli.render.text import plain, table

_SCORES = ("brier", "log_loss", "auc", "calibration_error", "mean_absolute_error", "root_mean_squared_error")


def comparison_lines(answer: dict[str, Any]) -> list[str]:
    """The whole comparison; what could not be compared says why."""
    a, b = plain(answer["a"]), plain(answer["b"])
    lines = [f"{a} → {b}"]
    parts = [
        _numbers("TRAINED", {name: (one["a"], one["b"]) for name, one in answer["metrics"].items()}, a, b),
        _scored(answer["scores"], a, b) if answer["scores"] else [],
        _numbers("BYTES", {"served": (answer["size"]["a"], answer["size"]["b"])}, a, b),
        _settings(answer["hyperparameters"], a, b),
        _schema(answer["schema"]),
        [f"· {plain(answer['note'])}"] if answer["note"] else [],
    ]
    for part in parts:
        lines += ["", *part] if part else []
    return lines


def _scored(scores: dict[str, Any], a: str, b: str) -> list[str]:
    one, two, rows, apart = scores["a"], scores["b"], scores["rows"], scores["disagreement"]
    left_out = f", {rows['left_out']:,} left out: they fit one schema only" if rows["left_out"] else ""
    whose = "of both" if rows["both"] == rows["count"] else f"{rows['a']:,} of {a}, {rows['b']:,} of {b}"
    lines = [f"on the same {rows['count']:,} held-out rows ({whose}{left_out})", ""]
    if one["quality"] and two["quality"]:
        found = {name: (one["quality"][name], two["quality"][name]) for name in _SCORES}
        lines += [*_numbers("LABELS", {k: v for k, v in found.items() if v != (None, None)}, a, b), ""]
        if one["quality"]["calibration"] and two["quality"]["calibration"]:
            lines += [*_calibration(one["quality"]["calibration"], two["quality"]["calibration"], a, b), ""]
    places = ("mean", "p05", "p50", "p95")
    lines += [*_numbers("PREDICTIONS", {p: (one["predictions"][p], two["predictions"][p]) for p in places}, a, b), ""]
    names = {"one_row": "1 row", "thousand_rows": "1,000 rows"}
    latency = {name: (one["latency"][key], two["latency"][key]) for key, name in names.items()}
    lines += [*_numbers("LATENCY µs", latency, a, b), ""]
    decided = f"differ by threshold {apart['threshold']:g}" if apart["threshold"] is not None else "differ by over 10 %"
    lines.append(
        f"{apart['count']:,} rows ({100 * apart['share']:.3g} %) {decided}; "
        f"mean difference {apart['mean_difference']:.3g}, largest {apart['largest_difference']:.3g}, "
        f"distance of the distributions {scores['ks_distance']:.3g}"
    )
    return [*lines, *table((a, b, "LABEL", "ROW"), [_row(row) for row in apart["worst"]])]


def _row(row: dict[str, Any]) -> tuple[str, str, str, str]:
    label = "–" if row["label"] is None else f"{row['label']:g}"
    features = ", ".join(f"{name} {value}" for name, value in row["features"].items() if value is not None)
    return f"{row['a']:.4g}", f"{row['b']:.4g}", label, brief(features)


def _numbers(title: str, pairs: dict[str, tuple[float | None, float | None]], a: str, b: str) -> list[str]:
    rows = [(name, _number(one), _number(two), _difference(one, two)) for name, (one, two) in pairs.items()]
    return table((title, a, b, "DIFFERENCE"), rows)


def _calibration(one: list[dict[str, Any]], two: list[dict[str, Any]], a: str, b: str) -> list[str]:
    """Of the rows that a version gave a chance in a range: what it predicted and what came true."""
    inside = [{entry["lower"]: entry for entry in side} for side in (one, two)]
    uppers = {entry["lower"]: entry["upper"] for entry in (*one, *two)}
    rows = [
        (f"{lower:g} to {uppers[lower]:g}", *(cell for side in inside for cell in _bin(side.get(lower))))
        for lower in sorted(uppers)
    ]
    return table(("PREDICTED", f"{a} ROWS", "MEAN", "TRUE", f"{b} ROWS", "MEAN", "TRUE"), rows)


def _bin(entry: dict[str, Any] | None) -> tuple[str, str, str]:
    if entry is None:
        return "–", "–", "–"
    return f"{entry['count']:,}", f"{entry['predicted']:.3f}", f"{entry['observed']:.3f}"


def _settings(differences: dict[str, Any], a: str, b: str) -> list[str]:
    rows = [(name, _given(one["a"]), _given(one["b"])) for name, one in differences.items()]
    return table(("SETTING", a, b), rows)


def _schema(schema: dict[str, Any]) -> list[str]:
    lines = [f"+ feature {plain(name)}" for name in schema["added"]]
    lines += [f"✘ feature {plain(name)} is gone" for name in schema["removed"]]
    for name, one in schema["changed"].items():
        keys = [key for key in one["b"] if one["a"].get(key) != one["b"][key]]
        told = "; ".join(f"{key} {brief(one['a'].get(key))} → {brief(one['b'][key])}" for key in keys)
        lines.append(f"· feature {plain(name)}: {told}")
    return lines + (["· the features stand in another order"] if schema["reordered"] else [])


def _given(value: Any) -> str:
    return "–" if value is None else brief(value)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.5g}"


def _difference(a: float | None, b: float | None) -> str:
    if a is None or b is None:
        return "–"
    if a == b:
        return "none"
    percent = 100 * (b - a) / abs(a) if a else 0.0
    change = f" ({percent:+,.0f} %)" if abs(percent) >= 10 else f" ({percent:+.2g} %)" if a else ""
    return (f"{b - a:+,.0f}" if abs(b - a) >= 1000 else f"{b - a:+.3g}") + change
