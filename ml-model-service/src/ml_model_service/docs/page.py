"""The page at /docs: the model's features and a request to try. Self-contained: no scripts, no other hosts."""

from __future__ import annotations

import json
from html import escape

from ml_model_service.versions.model import Model

_STYLE = (
    "body{font:16px system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "td,th{text-align:left;padding:.2rem 1rem .2rem 0}pre{background:#f4f4f4;padding:1rem;overflow:auto}"
)


def page(model: Model | None) -> bytes:
    """HTML that describes the model in service."""
    if model is None:
        return _html("No model is loaded", "<p>See <a href=/ready>/ready</a> for the reason.</p>")
    rows = "".join(
        f"<tr><td><code>{escape(f.name)}</code><td>{escape(f.allowed)}<td>{escape(f.description)}"
        for f in model.schema.features
    )
    example = json.dumps({"instances": [model.golden[0].instance]}, indent=1).replace("'", r"'\''")
    return _html(
        f"{model.name} {model.version}",
        f"<p><code>POST /predict</code>: {escape(model.schema.output.description)}. "
        "Every feature must be present. <a href=/openapi.json>OpenAPI document</a></p>"
        f"<table><tr><th>feature<th>allowed<th>meaning{rows}</table><h2>Try it</h2><pre>"
        f"{escape(f'curl localhost:$PORT/predict -d {chr(39)}{example}{chr(39)}')}</pre>",
    )


def _html(title: str, body: str) -> bytes:
    head = f"<!doctype html><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"
    return f"{head}<h1>{escape(title)}</h1>{body}\n".encode()
