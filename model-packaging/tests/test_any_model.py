"""Whatever is published answers as its own library does."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import any_model
import numpy as np
import pytest

from model_packaging.engines import GraphForm, LightGBM, Onnx
from model_packaging.package import package
from model_packaging.refusal import Refusal

_QUICK, _SLOW = range(4), range(4, 24)


def judged(seed: int, folder: Path) -> str:
    """How the model of a seed fares: refused, served alike, or served otherwise, which is said with a row."""
    (folder / "model").mkdir()
    try:
        model = any_model.make(seed, folder / "model")
    except Exception as error:
        return f"not made: {type(error).__name__}: {str(error)[:200]}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            job = {"folder": str(model.folder), "work": str(folder), "keep_native": False}
            answer = package(job, lambda line: None)
    except Refusal as refusal:
        return f"refused: {refusal.what}"
    document = json.loads((model.folder / "metadata.json").read_text())
    made = answer.get("format", document["model_format"])
    data = (folder / "converted" if "format" in answer else model.folder / document["model_file"]).read_bytes()
    engine: Any = (
        LightGBM(data, model.features)
        if made == "lightgbm-text"
        else Onnx(data, GraphForm(**answer["onnx"]), model.features)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = model.library(model.rows)
        except Exception as error:
            return f"the library fails: {str(error)[:200]}"
        found = engine.predict(model.rows)
    allowed = answer.get("tolerance", 1e-9) * np.maximum(1, np.abs(expected))
    wrong = np.flatnonzero(~(np.abs(found - expected) <= allowed) & (found != expected))
    if made == "onnx":
        wrong = np.array([n for n in wrong if not _at_an_edge(model, n, found[n], allowed[n])], dtype=int)
    if len(wrong):
        n = wrong[0]
        return (
            f"WRONG on {len(wrong)} rows as {made}: {model.rows[n].tolist()} {found[n]!r} {expected[n]!r}; {model.what}"
        )
    return f"alike: {made}"


def _at_an_edge(model: any_model.AnyModel, n: int, found: float, allowed: float) -> bool:
    """Whether the library itself answers so for a row that single precision can hardly tell from this one."""
    beside = np.repeat(model.rows[n : n + 1], 64, axis=0)
    beside *= 1 + np.random.default_rng(0).uniform(-5e-7, 5e-7, beside.shape)
    return bool(np.any(np.abs(model.library(beside) - found) <= 10 * allowed))


@pytest.mark.parametrize("seed", _QUICK)
def test_some_models(seed: int, tmp_path: Path) -> None:
    """Published models answer fresh rows as their library does, or are refused."""
    assert "WRONG" not in judged(seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", _SLOW)
def test_more_models(seed: int, tmp_path: Path) -> None:
    """The same for more kinds and settings."""
    assert "WRONG" not in judged(seed, tmp_path)
