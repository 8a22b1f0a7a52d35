"""constraints.json of SageMaker Model Monitor: suggested from a baseline, edited by people, read strictly."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from model_monitoring.problems import Problem, decoded
from model_monitoring.summary import MAX_TEXTS, Summary
from model_monitoring.windows import LENGTHS, Length, Own

Kind = Literal["Integral", "Fractional", "String", "Unknown"]
Share = Annotated[float, Meta(ge=0, le=1)]
OnOff = Literal["Enabled", "Disabled"]
MAX_DOMAIN = 1000
"""Categories of a domain that is suggested; a column with more is free text to us."""


class _Strict(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Distribution(_Strict, omit_defaults=False):
    """How drift is measured, and from where on it is one.

    `window_thresholds` (ours) are what a window of a length may be away; they win over `comparison_threshold`. A window
    of a length that has none is held to the next shorter one's, which is wider.
    """

    perform_comparison: OnOff = "Enabled"
    comparison_threshold: Share = 0.1
    comparison_method: Literal["Simple", "Robust"] = "Robust"
    categorical_comparison_threshold: Share = 0.1
    categorical_drift_method: Literal["LInfinity", "ChiSquared"] = "LInfinity"
    window_thresholds: dict[Length, Share] = msgspec.field(default_factory=dict)

    def of_windows(self, length: Length) -> float | None:
        """What a window of that length may be away, if that is known."""
        return _of_windows(self.window_thresholds, length)


class Config(_Strict, omit_defaults=False):
    """What holds for every feature that does not say otherwise.

    `window_completeness` (ours) is what must be there in a window of a length; it wins over `completeness`.
    """

    evaluate_constraints: OnOff = "Enabled"
    emit_metrics: OnOff = "Enabled"
    datatype_check_threshold: Share = 0.1
    domain_content_threshold: Share = 0.1
    window_completeness: dict[Length, Share] = msgspec.field(default_factory=dict)
    distribution_constraints: Distribution = msgspec.field(default_factory=Distribution)

    def completeness_of_windows(self, length: Length) -> float | None:
        """What must be there in a window of that length, if that is known."""
        return _of_windows(self.window_completeness, length)


def _of_windows(given: Mapping[Length, float], length: Length) -> float | None:
    shorter = reversed(LENGTHS[: LENGTHS.index(length) + 1])
    return next((given[one] for one in shorter if one in given), None)


class DistributionOverride(_Strict):
    """A feature's own; what is left out is the general one.

    Its own `comparison_threshold` wins over the general thresholds of windows.
    """

    perform_comparison: OnOff | None = None
    comparison_threshold: Share | None = None
    comparison_method: Literal["Simple", "Robust"] | None = None
    categorical_comparison_threshold: Share | None = None
    categorical_drift_method: Literal["LInfinity", "ChiSquared"] | None = None
    window_thresholds: dict[Length, Share] | None = None


class ConfigOverride(_Strict):
    """A feature's own; what is left out is the general one."""

    evaluate_constraints: OnOff | None = None
    datatype_check_threshold: Share | None = None
    domain_content_threshold: Share | None = None
    window_completeness: dict[Length, Share] | None = None
    distribution_constraints: DistributionOverride = msgspec.field(default_factory=DistributionOverride)


class NumberConstraints(_Strict):
    """Of numerical features."""

    is_non_negative: bool


class StringConstraints(_Strict):
    """Of features that are texts."""

    domains: list[str]


class Feature(_Strict):
    """One column's."""

    name: str
    inferred_type: Kind
    completeness: Share
    num_constraints: NumberConstraints | None = None
    string_constraints: StringConstraints | None = None
    monitoring_config_overrides: ConfigOverride | None = msgspec.field(default=None, name="monitoringConfigOverrides")


class Constraints(_Strict, omit_defaults=False):
    """The whole file."""

    features: list[Feature]
    version: float = 0.0
    monitoring_config: Config = msgspec.field(default_factory=Config)

    @property
    def general_threshold(self) -> float:
        """The distance of numbers beyond which there is a drift, where a feature has no threshold of its own."""
        return self.monitoring_config.distribution_constraints.comparison_threshold

    def config_of(self, feature: Feature) -> Config:
        """What holds for a feature."""
        own = feature.monitoring_config_overrides
        if own is None:
            return self.monitoring_config
        general = self.monitoring_config
        distribution = _with(general.distribution_constraints, own.distribution_constraints)
        plain = {name: value for name, value in _given(own).items() if name != "distribution_constraints"}
        return msgspec.structs.replace(general, distribution_constraints=distribution, **plain)


def _with(general: Distribution, own: DistributionOverride) -> Distribution:
    given = _given(own)
    if {"comparison_threshold", "categorical_comparison_threshold"} & given.keys():
        given.setdefault("window_thresholds", {})
    return msgspec.structs.replace(general, **given)


def _given(own: _Strict) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(own).items() if value is not None}


def suggested(summary: Summary, own: Mapping[Length, Own]) -> Constraints:
    """What a baseline's columns keep, and how far its own windows lie apart. Raises Problem where it has no rows."""
    if not summary.rows:
        raise Problem("the baseline has no rows; give one with some hundreds at least")
    features = []
    for name, column in summary.columns.items():
        kind: Any = column.kind
        is_number = kind in ("Integral", "Fractional")
        is_domain = kind == "String" and len(column.texts) <= MAX_DOMAIN and not column.further_texts
        completeness = column.present / summary.rows
        features.append(
            Feature(
                name,
                kind,
                completeness,
                NumberConstraints(not column.numbers.negative) if is_number else None,
                StringConstraints(sorted(column.texts)) if is_domain else None,
                _override(name, completeness, own),
            )
        )
    return Constraints(features)


def _override(name: str, completeness: float, own: Mapping[Length, Own]) -> ConfigOverride | None:
    far = {length: round(found.thresholds[name], 4) for length, found in own.items() if name in found.thresholds}
    there = {
        length: round(completeness - found.missing[name], 4) for length, found in own.items() if name in found.missing
    }
    if not far and not there:
        return None
    return ConfigOverride(
        window_completeness={length: max(0.0, share) for length, share in there.items()} or None,
        distribution_constraints=DistributionOverride(window_thresholds=far),
    )


def read(text: bytes, name: str, known: Collection[str]) -> Constraints:
    """The file's constraints. Raises Problem that names the line.

    `name` is the file's, `known` are the baseline's columns.
    """
    found = decoded(text, Constraints, name)
    seen: set[str] = set()
    for place, feature in enumerate(found.features):
        where = f"$.features[{place}].name"
        if feature.name in seen:
            raise Problem.at(name, text, where, f"feature {feature.name!r} stands twice")
        if feature.name not in known:
            there = ", ".join([*known][:20])
            raise Problem.at(name, text, where, f"feature {feature.name!r} is not in the baseline; there is: {there}")
        if feature.string_constraints and len(feature.string_constraints.domains) > MAX_TEXTS:
            raise Problem.at(name, text, f"$.features[{place}].string_constraints", f"more than {MAX_TEXTS} domains")
        seen.add(feature.name)
    return found
