"""Model versions: their list, one of them in full, and what became of a decision."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.lists import brief
from shipway.cli.render.probation import probation_table
from shipway.cli.render.text import clock_time, plain, table

_METRICS = 3
_SKIPPED = (
    "golden", "feature_schema", "feature_schema_digest", "name", "version", "approval", "approval_history", "files",
)  # fmt: skip
_EFFECTS = {
    "approved": "",
    "rejected": ": promotions and new releases refuse it",
    "archived": ": promotions and new releases refuse it",
}


def model_table(answer: dict[str, Any]) -> list[str]:
    """One line for each model version; the one that new releases take is marked."""
    rows = [
        (
            f"{'→' if model['version'] == answer['latest'] else ' '} {model['version']}",
            model["approval_status"],
            _metrics(model["metrics"]),
            model["trained_at"],
            model["author"],
            model["digest"][:6],
            ", ".join(_served_in(name, model) for name in model["serves"]) or "–",
        )
        for model in answer["models"]
    ]
    headers = ("  VERSION", "STATE", "METRICS", "TRAINED", "AUTHOR", "DIGEST", "SERVES")
    lines = table(headers, rows)
    if not lines:
        return ["no model version yet: shipway model publish FOLDER"]
    return [
        *lines,
        f"→ latest: new releases take {plain(answer['latest'])}" if answer["latest"] else "none is latest yet",
    ]


def model_lines(answer: dict[str, Any], now: float) -> list[str]:
    """A version: its state and where it serves, its metadata, who decided what, where it served, its features."""
    metadata = answer["metadata"]
    state = [metadata.get("approval", {}).get("status", "pending")]
    state += ["latest: new releases take it"] if answer["latest"] else []
    state += [f"serves {', '.join(answer['serves'])}"] if answer["serves"] else []
    lines = [f"{plain(metadata.get('name', 'model'))} {plain(metadata.get('version', ''))}: {plain('; '.join(state))}"]
    for key, value in metadata.items():
        if key not in _SKIPPED:
            lines += _entry(key, value)
    served, trials = _served(answer["served"], now), probation_table(answer["probations"], now)
    for part in (_files(metadata), _decisions(metadata), served, trials, _features(metadata)):
        lines += ["", *part] if part else []
    return lines


def decided_lines(answer: dict[str, Any]) -> list[str]:
    """What a decision did, and what is to be done next."""
    model = answer["model"]
    version, state = plain(model["version"]), plain(model["approval_status"])
    if not answer["changed"]:
        by = f"by {plain(model['approval_by'])} on {plain(model['approval_at'])}: {plain(model['approval_why'])}"
        return [f"· {version} was {state} already, {by}"]
    lines = [f"✔ {version} is {state}{_EFFECTS[state]}"]
    if state == "rejected" and answer["latest"]:
        lines.append("  ‖ it is the latest: nothing can be deployed until another version is promoted")
    if state == "rejected" and answer["serves"]:
        lines.append(f"  ‖ it still serves {plain(', '.join(answer['serves']))}; nothing was taken away")
    if state == "rejected" and (answer["serves"] or answer["latest"]):
        # Where it only answers a share, a rollback would take stable back, not it.
        share = "" if answer["latest"] else "shipway model split --off --env ENV where it is a candidate; else "
        lines.append(f"  Next: {share}shipway model rollback, or shipway model promote VERSION")
    if refusal := answer["not_promoted"]:
        lines += [f"  ‖ not promoted: {plain(refusal['what'])}", f"  Next: {plain(refusal['fix'])}"]
    elif told := answer.get("told"):
        lines += [f"  · {plain(line)}" for line in told]
    elif state == "approved" and not answer["run"] and not answer["serves"]:
        lines.append(f"  Use it: shipway model promote {version}")
    return lines


def baked_lines(answer: dict[str, Any]) -> list[str]:
    """Where a version lies now, and the way from there to production."""
    version, folder = plain(answer["model"]["version"]), plain(answer["folder"])
    lines = [f"✔ model {version} lies in {folder}"]
    if answer["to_describe"]:
        lines.append(f"  shipway.yaml does not serve it from there yet: {plain(answer['to_describe'])}")
    return [*lines, f'  Next: git add {folder}; git commit --message "Bake in model {version}"; shipway deploy']


def _served_in(environment: str, model: dict[str, Any]) -> str:
    return f"{environment} (on probation)" if environment in model["probation"] else environment


def _metrics(metrics: dict[str, float]) -> str:
    """The first few; `model show` has them all."""
    return ", ".join(f"{name} {value:.4g}" for name, value in list(metrics.items())[:_METRICS]) or "–"


def _entry(key: str, value: Any) -> list[str]:
    name = plain(key).replace("_", " ")
    if isinstance(value, dict):
        inside = {k: v for k, v in value.items() if v is not None}
        return [f"  {name}", *(f"    {plain(k)}: {brief(v)}" for k, v in inside.items())]
    return [f"  {name}: {brief(value)}"]


def _files(metadata: dict[str, Any]) -> list[str]:
    rows = [(name, f"{file['bytes']:,}", file["sha256"]) for name, file in metadata.get("files", {}).items()]
    return table(("FILE", "BYTES", "SHA256"), rows)


def _decisions(metadata: dict[str, Any]) -> list[str]:
    now = metadata.get("approval", {})
    history = metadata.get("approval_history") or ([now] if now.get("by") else [])
    rows = [(entry["at"], entry["by"], entry["status"], entry["why"] or "–") for entry in history]
    return table(("DECIDED", "BY", "STATE", "WHY"), rows) or ["nobody has decided on it yet"]


def _served(served: list[dict[str, Any]], now: float) -> list[str]:
    rows = [
        (
            one["environment"],
            one["release"],
            clock_time(one["since"], now),
            clock_time(one["until"], now) if one["until"] else "now",
            one["by"],
        )
        for one in served
    ]
    return table(("SERVED IN", "RELEASE", "FROM", "UNTIL", "BY"), rows)


def _features(metadata: dict[str, Any]) -> list[str]:
    rows = [
        (feature["name"], feature["type"], _allowed(feature), "yes" if feature.get("nullable") else "no")
        for feature in metadata.get("feature_schema", {}).get("features", [])
    ]
    return table(("FEATURE", "TYPE", "ALLOWED", "NULLABLE"), rows)


def _allowed(feature: dict[str, Any]) -> str:
    if "values" in feature:
        values = feature["values"]
        return ", ".join(plain(value) for value in values[:8]) + (f", … ({len(values)})" if len(values) > 8 else "")
    low, high = feature.get("minimum"), feature.get("maximum")
    return (
        "any" if low is None and high is None else f"{'…' if low is None else low} to {'…' if high is None else high}"
    )
