"""What of a window violates the constraints: constraint_violations.json of SageMaker Model Monitor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from model_monitoring import distance
from model_monitoring.constraints import Config, Constraints, Distribution, Feature
from model_monitoring.statistics import Known
from model_monitoring.summary import Column, Summary
from model_monitoring.windows import Length

MAX_UNREADABLE = 0.01
"""Share of captured lines that may be unreadable."""
CHANCE = 3.0
"""Standard deviations of a count that chance explains."""
_SLACK = 1e-9
_NAMED = 5


def check(
    summary: Summary, now: Mapping[str, Known], baseline: Mapping[str, Known], held: Constraints, length: Length
) -> Iterator[dict[str, str]]:
    """The violations, in the order of the constraints. `now` is the summary's own statistics; `length` the window's.

    Raises no error for columns that came or went: that is what is looked for.
    """
    for feature in held.features:
        config = held.config_of(feature)
        if config.evaluate_constraints == "Disabled":
            continue
        column = summary.columns.get(feature.name)
        if column is None:
            yield _violation(feature.name, "missing_column_check", "the column is in the baseline and not in the data")
            continue
        yield from _of_column(feature, config, column, length)
        if column.present and feature.name in baseline:
            yield from _drift(
                feature.name, config.distribution_constraints, now[feature.name], baseline[feature.name], length
            )
    for name in summary.columns.keys() - {feature.name for feature in held.features}:
        yield _violation(name, "extra_column_check", "the column is in the data and not in the baseline")


def unreadable(lines: int, kinds: Mapping[str, int]) -> Iterator[dict[str, str]]:
    """A violation of our own, if too many captured lines could not be read."""
    count = sum(kinds.values())
    if count > MAX_UNREADABLE * lines:
        how = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        yield _violation("", "unreadable_lines_check", f"{count} of {lines} lines ({how}); {MAX_UNREADABLE:.0%} may be")


def _of_column(feature: Feature, config: Config, column: Column, length: Length) -> Iterator[dict[str, str]]:
    yield from _completeness(feature, config, column, length)
    if not column.present:
        return
    yield from _types(feature, config, column)
    yield from _categories(feature, config, column)


def _completeness(feature: Feature, config: Config, column: Column, length: Length) -> Iterator[dict[str, str]]:
    rows = column.present + column.missing
    completeness = column.present / rows if rows else 0.0
    own = config.completeness_of_windows(length)
    wanted = feature.completeness if own is None else own
    slack = _SLACK
    if config.distribution_constraints.comparison_method == "Robust" and rows:
        # A column that is nearly complete misses some more values in a small window by chance. One that was complete
        # does not: there is no variance then.
        slack += CHANCE * math.sqrt(wanted * (1 - wanted) / rows) + (CHANCE**2 / rows if 0 < wanted < 1 else 0.0)
    if completeness < wanted - slack:
        of_length = f" for a {length}" if own is not None else ""
        said = f"{completeness:.4f} of the values are there; the constraint is {wanted:.4f}{of_length}"
        if not column.present:
            said += "; of a column that the capture masks, set evaluate_constraints to Disabled"
        yield _violation(feature.name, "completeness_check", said)


def _types(feature: Feature, config: Config, column: Column) -> Iterator[dict[str, str]]:
    fits = {
        "Integral": column.numbers.integral,
        "Fractional": column.numbers.count,
        "String": column.text_count,
        "Unknown": column.present,
    }[feature.inferred_type]
    share = 1 - fits / column.present
    if share > config.datatype_check_threshold:
        said = (
            f"{share:.1%} of the values are not {feature.inferred_type}; {config.datatype_check_threshold:.1%} may be"
        )
        yield _violation(feature.name, "data_type_check", said)
    elif feature.num_constraints and feature.num_constraints.is_non_negative and column.numbers.negative:
        said = f"{column.numbers.negative} values are below 0; none was in the baseline"
        yield _violation(feature.name, "data_type_check", said)


def _categories(feature: Feature, config: Config, column: Column) -> Iterator[dict[str, str]]:
    if feature.string_constraints is None or not column.text_count:
        return
    domain = set(feature.string_constraints.domains)
    strange = {text: count for text, count in column.texts.items() if text not in domain}
    share = (sum(strange.values()) + column.further_texts) / column.text_count
    if share > config.domain_content_threshold:
        named = ", ".join(repr(text[:40]) for text in sorted(strange, key=lambda text: -strange[text])[:_NAMED])
        said = f"{share:.1%} of the values are not in the domain, such as {named}"
        said += f"; {config.domain_content_threshold:.1%} may be"
        yield _violation(feature.name, "categorical_values_check", said)


def _drift(name: str, config: Distribution, now: Known, before: Known, length: Length) -> Iterator[dict[str, str]]:
    measured = measure(config, now, before, length) if config.perform_comparison == "Enabled" else None
    if measured is not None and measured.is_drift:
        figure = "p-value" if measured.method == "ChiSquared" else "distance"
        said = f"{measured.method} {figure} {measured.value:.4f} from the baseline; threshold {measured.threshold:g}"
        yield _violation(name, "baseline_drift_check", said + (f" for a {length}" if measured.is_of_windows else ""))


@dataclass(frozen=True)
class Measured:
    """A distance, or for ChiSquared a p-value, and its threshold; whether that is the one of windows of the length."""

    method: str
    value: float
    threshold: float
    is_of_windows: bool = False

    @property
    def is_drift(self) -> bool:
        """Whether it is beyond the threshold."""
        return self.value < self.threshold if self.method == "ChiSquared" else self.value > self.threshold


def measure(config: Distribution, now: Known, before: Known, length: Length) -> Measured | None:
    """How far the window is from the baseline; None where one side has nothing to compare, or another type."""
    own = config.of_windows(length)
    n, m = len(now.values), len(before.values)
    if n and m:
        found = distance.of_numbers(now.values, now.weights, before.values, before.weights)
        if config.comparison_method == "Robust":
            found = distance.robust(found, int(now.weights.sum()), int(before.weights.sum()))
        return Measured(
            config.comparison_method, found, config.comparison_threshold if own is None else own, own is not None
        )
    if now.categories and before.categories:
        if config.categorical_drift_method == "ChiSquared":
            p_value = distance.chi_squared_p_value(now.categories, before.categories)
            return Measured("ChiSquared", p_value, config.categorical_comparison_threshold)
        found = distance.of_categories(now.categories, before.categories)
        if config.comparison_method == "Robust":
            found = distance.robust(found, sum(now.categories.values()), sum(before.categories.values()))
        threshold = config.categorical_comparison_threshold if own is None else own
        return Measured("LInfinity", found, threshold, own is not None)
    return None


def _violation(name: str, check: str, said: str) -> dict[str, Any]:
    return {"feature_name": name, "constraint_check_type": check, "description": said}
