"""What of a window violates the constraints: constraint_violations.json of SageMaker Model Monitor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from model_monitoring import distance
from model_monitoring.constraints import Config, Constraints, Distribution, Feature
from model_monitoring.statistics import Known
from model_monitoring.summary import Column, Summary

MAX_UNREADABLE = 0.01
"""Share of captured lines that may be unreadable."""
_SLACK = 1e-9
_NAMED = 5


def check(
    summary: Summary, now: Mapping[str, Known], baseline: Mapping[str, Known], held: Constraints
) -> Iterator[dict[str, str]]:
    """The violations, in the order of the constraints. `now` is the summary's own statistics.

    Raises no error for columns that came or went: that is what is looked for.
    """
    for feature in held.features:
        if held.config_of(feature).evaluate_constraints == "Disabled":
            continue
        column = summary.columns.get(feature.name)
        if column is None:
            yield _violation(feature.name, "missing_column_check", "the column is in the baseline and not in the data")
            continue
        yield from _of_column(feature, held.config_of(feature), column, now[feature.name], baseline.get(feature.name))
    for name in summary.columns.keys() - {feature.name for feature in held.features}:
        yield _violation(name, "extra_column_check", "the column is in the data and not in the baseline")


def unreadable(lines: int, kinds: Mapping[str, int]) -> Iterator[dict[str, str]]:
    """A violation of our own, if too many captured lines could not be read."""
    count = sum(kinds.values())
    if count > MAX_UNREADABLE * lines:
        how = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        yield _violation("", "unreadable_lines_check", f"{count} of {lines} lines ({how}); {MAX_UNREADABLE:.0%} may be")


def _of_column(
    feature: Feature, config: Config, column: Column, now: Known, before: Known | None
) -> Iterator[dict[str, str]]:
    rows = column.present + column.missing
    completeness = column.present / rows if rows else 0.0
    if completeness < feature.completeness - _SLACK:
        said = f"{completeness:.4f} of the values are there; the constraint is {feature.completeness:.4f}"
        yield _violation(feature.name, "completeness_check", said)
    if not column.present:
        return
    yield from _types(feature, config, column)
    yield from _categories(feature, config, column)
    if before is not None:
        yield from _drift(feature.name, config.distribution_constraints, now, before)


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


def _drift(name: str, config: Distribution, now: Known, before: Known) -> Iterator[dict[str, str]]:
    if config.perform_comparison == "Disabled":
        return
    measured = measure(config, now, before)
    if measured is None:
        return
    method, value, threshold = measured
    is_drift = value < threshold if method == "ChiSquared" else value > threshold
    if is_drift:
        figure = "p-value" if method == "ChiSquared" else "distance"
        said = f"{method} {figure} {value:.4f} from the baseline; threshold {threshold:g}"
        yield _violation(name, "baseline_drift_check", said)


def measure(config: Distribution, now: Known, before: Known) -> tuple[str, float, float] | None:
    """Method, distance (or p-value) and threshold; None where one side has nothing to compare, or another type."""
    n, m = len(now.values), len(before.values)
    if n and m:
        found = distance.of_numbers(now.values, now.weights, before.values, before.weights)
        if config.comparison_method == "Robust":
            found = distance.robust(found, int(now.weights.sum()), int(before.weights.sum()))
        return config.comparison_method, found, config.comparison_threshold
    if now.categories and before.categories:
        if config.categorical_drift_method == "ChiSquared":
            p_value = distance.chi_squared_p_value(now.categories, before.categories)
            return "ChiSquared", p_value, config.categorical_comparison_threshold
        found = distance.of_categories(now.categories, before.categories)
        if config.comparison_method == "Robust":
            found = distance.robust(found, sum(now.categories.values()), sum(before.categories.values()))
        return "LInfinity", found, config.categorical_comparison_threshold
    return None


def _violation(name: str, check: str, said: str) -> dict[str, Any]:
    return {"feature_name": name, "constraint_check_type": check, "description": said}
