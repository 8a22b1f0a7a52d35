"""The shapes of Model Monitor's files as AWS's developer guide shows them, read strictly.

Pages: Schema for Statistics, Schema for Constraints, Schema for Violations (Bring your own containers), Model quality
metrics and Amazon CloudWatch monitoring. Ours, of which those pages know nothing, stand apart under OURS.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

OURS = {
    "statistics.json": ("unreadable",),
    "constraints.json": ("window_completeness", "window_thresholds"),
    "model_quality_statistics.json": ("labelled_count", "labelled_share", "labels", "brier", "calibration_error",
                                      "mean_prediction", "label_rate", "auc_best_constant_classifier"),
    "model_quality_constraints.json": ("window_thresholds", "window_labels", "comparison_method", "min_labels", "brier",
                                       "calibration_error"),
}  # fmt: skip
"""Keys of ours, by file, wherever they stand."""


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """Knows the guide's keys and no others."""


class Common(Strict):
    num_present: int
    num_missing: int


class Bucket(Strict):
    lower_bound: float
    upper_bound: float
    count: float


class Parameters(Strict):
    c: float
    k: float


class Sketch(Strict):
    parameters: Parameters
    data: list[list[float]]


class Kll(Strict):
    buckets: Annotated[list[Bucket], msgspec.Meta(max_length=10)]
    sketch: Sketch


class NumberDistribution(Strict):
    kll: Kll


class NumericalStatistics(Strict):
    common: Common
    mean: float
    sum: float
    std_dev: float
    min: float
    max: float
    distribution: NumberDistribution


class Category(Strict):
    value: str
    count: int


class Categories(Strict):
    buckets: list[Category]


class TextDistribution(Strict):
    categorical: Categories


class StringStatistics(Strict):
    common: Common
    distinct_count: float
    distribution: TextDistribution | None = None


Type = Literal["Integral", "Fractional", "String", "Unknown"]


class StatisticsFeature(Strict):
    name: str
    inferred_type: Type
    numerical_statistics: NumericalStatistics | None = None
    string_statistics: StringStatistics | None = None


class Dataset(Strict):
    item_count: int


class Statistics(Strict):
    version: float
    dataset: Dataset
    features: list[StatisticsFeature]


OnOff = Literal["Enabled", "Disabled"]


class DistributionConstraints(Strict):
    perform_comparison: OnOff = "Enabled"
    comparison_threshold: float = 0.1
    comparison_method: Literal["Simple", "Robust"] = "Simple"
    categorical_comparison_threshold: float = 0.1
    categorical_drift_method: Literal["LInfinity", "ChiSquared"] = "LInfinity"


class MonitoringConfig(Strict):
    evaluate_constraints: OnOff = "Enabled"
    emit_metrics: OnOff = "Enabled"
    datatype_check_threshold: float = 0.1
    domain_content_threshold: float = 0.1
    distribution_constraints: DistributionConstraints | None = None


class NumberConstraints(Strict):
    is_non_negative: bool


class StringConstraints(Strict):
    domains: list[str]


class ConstraintsFeature(Strict):
    name: str
    inferred_type: Type
    completeness: Annotated[float, msgspec.Meta(ge=0, le=1)]
    num_constraints: NumberConstraints | None = None
    string_constraints: StringConstraints | None = None
    monitoring_config_overrides: MonitoringConfig | None = msgspec.field(default=None, name="monitoringConfigOverrides")


class Constraints(Strict):
    version: float
    features: list[ConstraintsFeature]
    monitoring_config: MonitoringConfig


class Violation(Strict):
    feature_name: str
    constraint_check_type: Literal[
        "data_type_check", "completeness_check", "baseline_drift_check", "missing_column_check", "extra_column_check",
        "categorical_values_check",
    ]  # fmt: skip
    description: str


class Violations(Strict):
    violations: list[Violation]


class Metric(Strict):
    value: float | None
    standard_deviation: float | Literal["NaN"]


class QualityDataset(Strict):
    item_count: int
    start_time: str | None = None
    end_time: str | None = None


Confusion = dict[str, dict[str, int]]


class Receiver(Strict):
    false_positive_rates: list[float]
    true_positive_rates: list[float]


class PrecisionRecall(Strict):
    precisions: list[float]
    recalls: list[float]


def _metrics(name: str, *metrics: str, **others: Any) -> Any:
    fields = [(metric, Metric) for metric in metrics] + list(others.items())
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True)


_RATES = ("recall", "precision", "accuracy", "true_positive_rate", "true_negative_rate", "false_positive_rate",
          "false_negative_rate", "f0_5", "f1", "f2")  # fmt: skip
_WEIGHTED = ("accuracy", "weighted_recall", "weighted_precision", "weighted_f0_5", "weighted_f1", "weighted_f2")
_constant = "{}_best_constant_classifier".format
Binary = _metrics(
    "Binary", *_RATES, "auc", *map(_constant, _RATES), confusion_matrix=Confusion,
    receiver_operating_characteristic_curve=Receiver, precision_recall_curve=PrecisionRecall,
)  # fmt: skip
Multiclass = _metrics("Multiclass", *_WEIGHTED, *map(_constant, _WEIGHTED), confusion_matrix=Confusion)
Regression = _metrics("Regression", "mae", "mse", "rmse", "r2")


class QualityStatistics(Strict):
    version: float
    dataset: QualityDataset
    binary_classification_metrics: Binary | None = None  # type: ignore[valid-type]
    multiclass_classification_metrics: Multiclass | None = None  # type: ignore[valid-type]
    regression_metrics: Regression | None = None  # type: ignore[valid-type]


class Threshold(Strict):
    threshold: float
    comparison_operator: Literal["LessThanThreshold", "GreaterThanThreshold"]


class QualityConstraints(Strict):
    version: float
    binary_classification_constraints: dict[str, Threshold] | None = None
    multiclass_classification_constraints: dict[str, Threshold] | None = None
    regression_constraints: dict[str, Threshold] | None = None


class QualityViolation(Strict):
    constraint_check_type: Literal["LessThanThreshold", "GreaterThanThreshold"]
    description: str
    metric_name: str


class QualityViolations(Strict):
    violations: list[QualityViolation]


class Dimension(Strict):
    Name: str
    Value: str


class CloudWatch(Strict):
    MetricName: str
    Timestamp: str
    Dimensions: list[Dimension]
    Value: float


FILES = {
    "statistics.json": Statistics,
    "constraints.json": Constraints,
    "constraint_violations.json": Violations,
    "model_quality_statistics.json": QualityStatistics,
    "model_quality_constraints.json": QualityConstraints,
    "model_quality_constraint_violations.json": QualityViolations,
}


def accepted(name: str, content: bytes) -> Any:
    """The file as the guide has it, without what is ours. Raises msgspec.ValidationError for anything else."""
    return msgspec.convert(_without(msgspec.json.decode(content), OURS.get(name, ())), FILES[name])


def _without(document: Any, ours: tuple[str, ...]) -> Any:
    if isinstance(document, dict):
        return {key: _without(value, ours) for key, value in document.items() if key not in ours}
    return [_without(value, ours) for value in document] if isinstance(document, list) else document
