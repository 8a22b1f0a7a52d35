"""constraints.json of SageMaker Model Monitor: suggested from a baseline, edited by people, read strictly."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from model_monitoring.problems import Problem
from model_monitoring.summary import MAX_TEXTS, Summary

Kind = Literal["Integral", "Fractional", "String", "Unknown"]
Share = Annotated[float, Meta(ge=0, le=1)]
OnOff = Literal["Enabled", "Disabled"]
MAX_DOMAIN = 1000
"""Categories of a domain that is suggested; a column with more is free text to us."""


class _Strict(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Distribution(_Strict, omit_defaults=False):
    """How drift is measured, and from where on it is one."""

    perform_comparison: OnOff = "Enabled"
    comparison_threshold: Share = 0.1
    comparison_method: Literal["Simple", "Robust"] = "Robust"
    categorical_comparison_threshold: Share = 0.1
    categorical_drift_method: Literal["LInfinity", "ChiSquared"] = "LInfinity"


class Config(_Strict, omit_defaults=False):
    """What holds for every feature that does not say otherwise."""

    evaluate_constraints: OnOff = "Enabled"
    emit_metrics: OnOff = "Enabled"
    datatype_check_threshold: Share = 0.1
    domain_content_threshold: Share = 0.1
    distribution_constraints: Distribution = msgspec.field(default_factory=Distribution)


class DistributionOverride(_Strict):
    """A feature's own; what is left out is the general one."""

    perform_comparison: OnOff | None = None
    comparison_threshold: Share | None = None
    comparison_method: Literal["Simple", "Robust"] | None = None
    categorical_comparison_threshold: Share | None = None
    categorical_drift_method: Literal["LInfinity", "ChiSquared"] | None = None


class ConfigOverride(_Strict):
    """A feature's own; what is left out is the general one."""

    evaluate_constraints: OnOff | None = None
    datatype_check_threshold: Share | None = None
    domain_content_threshold: Share | None = None
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
    return msgspec.structs.replace(general, **_given(own))


def _given(own: _Strict) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(own).items() if value is not None}


def suggested(summary: Summary) -> Constraints:
    """What a baseline's columns keep. Raises Problem where it has no rows."""
    if not summary.rows:
        raise Problem("the baseline has no rows; give one with some hundreds at least")
    features = []
    for name, column in summary.columns.items():
        kind: Any = column.kind
        is_number = kind in ("Integral", "Fractional")
        is_domain = kind == "String" and len(column.texts) <= MAX_DOMAIN and not column.further_texts
        features.append(
            Feature(
                name,
                kind,
                column.present / summary.rows,
                NumberConstraints(not column.numbers.negative) if is_number else None,
                StringConstraints(sorted(column.texts)) if is_domain else None,
            )
        )
    return Constraints(features)


def read(text: bytes, name: str) -> Constraints:
    """The file's constraints. Raises Problem that names the place; `name` is the file's."""
    try:
        found = msgspec.json.decode(text, type=Constraints)
    except msgspec.DecodeError as error:
        raise Problem(f"{name}: {error}") from None
    seen: set[str] = set()
    for place, feature in enumerate(found.features):
        if feature.name in seen:
            raise Problem(f"{name}: feature {feature.name!r} stands twice - at `$.features[{place}]`")
        if feature.string_constraints and len(feature.string_constraints.domains) > MAX_TEXTS:
            raise Problem(f"{name}: more than {MAX_TEXTS} domains - at `$.features[{place}].string_constraints`")
        seen.add(feature.name)
    return found
