"""What no task would load, whatever the model file holds: told when it is published, not when it is promoted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shipway.registry.metadata import Feature, Golden, Metadata, short, wrong


def check(document: dict[str, Any], checked: Metadata, name: str) -> None:
    """Raises Refused whose `what` has one line for each mistake."""
    lines = [*_shape(document, checked), *_schema(document)]
    for n, golden in enumerate(checked.golden):
        lines += [f"golden[{n}].instance.{line}" for line in _misfits(checked.feature_schema.features, golden)]
    if lines:
        raise wrong(lines, name)


def _shape(document: dict[str, Any], checked: Metadata) -> Iterator[str]:
    if "/" in checked.model_file:
        yield f"model_file: {short(checked.model_file)} lies in a folder of its own; expected a file beside metadata.json"
    if "tolerance" in document and document["tolerance"] is None:
        yield "tolerance: found null; leave it out for the default"
    if not isinstance(document.get("onnx"), dict | None):
        yield f"onnx: expected an object; found {short(document['onnx'])}"


def _schema(document: dict[str, Any]) -> Iterator[str]:
    schema = document["feature_schema"]
    output = schema["output"]
    if not isinstance(output.get("name"), str):
        yield f"feature_schema.output.name: expected text; found {_found(output, 'name')}"
    if not isinstance(output.get("description", ""), str):
        yield f"feature_schema.output.description: expected text; found {short(output['description'])}"
    if type(output.get("threshold", 0)) not in (int, float, type(None)):
        yield f"feature_schema.output.threshold: expected a number; found {short(output['threshold'])}"
    for n, feature in enumerate(schema["features"]):
        at = f"feature_schema.features[{n}]"
        if not isinstance(feature.get("description", ""), str):
            yield f"{at}.description: expected text; found {short(feature['description'])}"
        if feature["type"] == "category":
            continue
        for bound in ("minimum", "maximum"):
            if bound in feature and feature[bound] is None:
                yield f"{at}.{bound}: found null; leave it out where there is no bound"


def _misfits(features: list[Feature], golden: Golden) -> Iterator[str]:
    """What the schema does not take of a request, by the name of the feature."""
    names = {feature.name for feature in features}
    yield from (f"{name}: there is no such feature" for name in golden.instance if name not in names)
    for feature in features:
        if feature.name not in golden.instance:
            yield f"{feature.name}: expected {_allowed(feature)}; found nothing"
        elif not _takes(feature, golden.instance[feature.name]):
            yield f"{feature.name}: expected {_allowed(feature)}; found {short(golden.instance[feature.name])}"


def _takes(feature: Feature, value: object) -> bool:
    if value is None:
        return feature.nullable
    if feature.type == "category":
        # what a nullable category does not know counts as missing
        return isinstance(value, str) and (feature.nullable or value in (feature.values or ()))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not _below(value, feature.minimum) and not _below(feature.maximum, value)


def _below(low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and low < high


def _allowed(feature: Feature) -> str:
    if feature.type == "category":
        text = "text" if feature.nullable else f"one of {', '.join(feature.values or ())[:100]}"
    else:
        low = "" if feature.minimum is None else f" from {feature.minimum:g}"
        high = "" if feature.maximum is None else f" up to {feature.maximum:g}"
        text = f"a number{low}{high}"
    return f"{text} or null" if feature.nullable else text


def _found(document: dict[str, Any], key: str) -> str:
    return short(document[key]) if key in document else "nothing"
