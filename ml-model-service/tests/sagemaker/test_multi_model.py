"""The models of a multi-model container, against AWS's contract."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lightgbm
import pytest

from conftest import ROW, Publish, score
from ml_model_service.engines.bit_vectors import most_bytes
from ml_model_service.errors import Problem
from ml_model_service.sagemaker.multi_model import PAGE, Models, weight_of
from ml_model_service.versions.model import Model, load

pytestmark = pytest.mark.slow

GENEROUS = 1 << 30
Refused = Callable[..., tuple[int, str]]


@pytest.fixture
def root(tmp_path: Path, publish: Publish) -> Path:
    """Three models, each in the folder that SageMaker unpacks its archive to."""
    for number, name in enumerate(["a", "b", "c"]):
        publish(tmp_path / "models" / name, "model", number % 2)
    return tmp_path / "models"


@pytest.fixture
def models(root: Path) -> Models:
    """Nothing is loaded yet."""
    return Models(GENEROUS, load, root)


def url(root: Path, name: str) -> str:
    """As SageMaker names the folder."""
    return str(root / name / "model")


def refused(call: Callable[..., Any], *arguments: Any) -> tuple[int, str]:
    """Status and message of what is turned down."""
    with pytest.raises(Problem) as caught:
        call(*arguments)
    return caught.value.status, caught.value.message


def test_a_model_is_loaded_shown_invoked_and_unloaded(
    root: Path, models: Models, boosters: list[lightgbm.Booster]
) -> None:
    """After loading it serves under its name; after unloading there is nothing of that name."""
    models.load("a", url(root, "a"))
    models.load("b", url(root, "b"))
    shown = {"modelName": "b", "modelUrl": url(root, "b")}
    assert shown == models.get("b").to_json()
    assert [score(boosters[1], ROW)] == models.invoke("b").predict([ROW])
    assert (["a", "b"], None) == ([loaded.name for loaded in models.page()[0]], models.page()[1])
    models.unload("b")
    for call in (models.get, models.invoke, models.unload):
        assert (404, "model_name b is not loaded") == refused(call, "b")
    assert models.used == models.get("a").weight
    models.load("b", url(root, "c"))


def test_a_name_that_is_loaded_is_409(root: Path, models: Models) -> None:
    """Loading again conflicts, whatever the url."""
    models.load("a", url(root, "a"))
    assert (409, "model_name a is already loaded") == refused(models.load, "a", url(root, "b"))
    assert models.get("a").url == url(root, "a")


def test_lack_of_memory_is_507(root: Path) -> None:
    """A model beyond the bound is not loaded; after unloading another it is."""
    weight = weight_of(root / "a" / "model")
    models = Models(int(weight * 2.5), load, root)
    models.load("a", url(root, "a"))
    models.load("b", url(root, "b"))
    status, message = refused(models.load, "c", url(root, "c"))
    assert (507, True) == (status, "cannot be loaded due to lack of memory" in message)
    models.unload("a")
    models.load("c", url(root, "c"))


@pytest.mark.parametrize("name", ["", "a/b", "a%2Fb", "a b", "a\n", "é", "x" * 1025, 7, None])
def test_bad_names_are_400(root: Path, models: Models, name: Any) -> None:
    """A name must be able to stand in a path."""
    assert 400 == refused(models.load, name, url(root, "a"))[0]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("{root}/a/nothing", 404),
        ("{root}/a/model/model.txt", 404),
        ("{root}", 400),
        ("{root}/../models", 400),
        ("{root}/../outside", 400),
        ("{root}/link", 400),
        ("{root}/linked", 400),
        ("/etc", 400),
        ("models/a/model", 400),
        ("file://{root}/a/model", 400),
        ("{root}/\0", 400),
        ("{root}/loop/x", 400),
        ("{root}/" + "x" * 5000, 400),
        (7, 400),
    ],
)
def test_urls_stay_under_the_root(
    tmp_path: Path, root: Path, models: Models, publish: Publish, url: Any, status: int
) -> None:
    """Neither dots nor links lead out of the folder of models, and what is not there is not found."""
    publish(tmp_path, "outside")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(root / "loop")
    (root / "linked").mkdir()
    (root / "linked" / "metadata.json").symlink_to(tmp_path / "outside" / "metadata.json")
    assert status == refused(models.load, "a", url.format(root=root) if isinstance(url, str) else url)[0]
    assert 0 == models.used


def test_a_model_that_does_not_verify_is_400(root: Path, models: Models) -> None:
    """It is not loaded and counts for nothing; put right, it loads."""
    (root / "a" / "model" / "model.txt").rename(root / "elsewhere")
    status, message = refused(models.load, "a", url(root, "a"))
    assert (400, True, 0) == (status, "model.txt" in message, models.used)
    (root / "elsewhere").rename(root / "a" / "model" / "model.txt")
    (root / "a" / "model" / "metadata.json").rename(root / "elsewhere")
    assert 400 == refused(models.load, "a", url(root, "a"))[0]
    (root / "elsewhere").rename(root / "a" / "model" / "metadata.json")
    models.load("a", url(root, "a"))


def test_pages_hold_each_model_once(root: Path) -> None:
    """Following the tokens shows all models in order, also when some are unloaded on the way."""
    model = load(root / "a" / "model")
    models = Models(GENEROUS, lambda _: model, root)
    names = sorted(f"m{number}" for number in range(2 * PAGE + 1))
    for name in names:
        models.load(name, url(root, "a"))
    first, token = models.page()
    models.unload(names[PAGE - 1])
    second, token = models.page(token)
    third, token = models.page(token)
    assert (names, None) == ([loaded.name for loaded in first + second + third], token)
    for bad in ("x", "é", "//8="):
        assert 400 == refused(models.page, bad)[0]


def test_loading_one_model_holds_up_nothing_else(root: Path) -> None:
    """While a model loads, its name is taken and all other calls are answered."""
    begun, go = threading.Event(), threading.Event()

    def slowly(folder: Path) -> Model:
        if folder.parent.name == "a":
            begun.set()
            assert go.wait(20)
        return load(folder)

    models = Models(GENEROUS, slowly, root)
    with ThreadPoolExecutor() as pool:
        loading = pool.submit(models.load, "a", url(root, "a"))
        try:
            assert begun.wait(20)
            assert 409 == refused(models.load, "a", url(root, "a"))[0]
            assert 404 == refused(models.invoke, "a")[0]
            models.load("b", url(root, "b"))
            assert ["b"] == [loaded.name for loaded in models.page()[0]]
            assert models.used == weight_of(root / "a" / "model") + models.get("b").weight
        finally:
            go.set()
        assert "a" == loading.result(20).name


def test_a_target_is_loaded_once_and_evicts_the_least_recently_used(root: Path) -> None:
    """Requests for a target wait for one loading; others make room in the order of their last use."""
    weight = weight_of(root / "a" / "model")
    loads: list[str] = []

    def counted(folder: Path) -> Model:
        loads.append(folder.parent.name)
        return load(folder)

    models = Models(int(weight * 2.5), counted, root)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: models.target_model("a", root / "a" / "model"), range(8)))
    assert (1, ["a"]) == (len(set(map(id, found))), loads)
    models.target_model("b", root / "b" / "model")
    models.target_model("a", root / "a" / "model")
    models.target_model("c", root / "c" / "model")
    assert ["a", "c"] == [loaded.name for loaded in models.page()[0]]
    assert ["a", "b", "c"] == loads
    assert 404 == refused(models.target_model, "d", root / "d")[0]


def test_room_that_cannot_be_made_evicts_nothing(root: Path) -> None:
    """A model larger than the bound is 507 and leaves the others where they are."""
    weight = weight_of(root / "a" / "model")
    models = Models(int(weight * 1.5), load, root)
    models.load("a", url(root, "a"))
    assert 507 == refused(models.evict_until, weight * 2)[0]
    assert "a" == models.get("a").name
    assert ["a"] == models.evict_until(weight)
    assert [] == models.evict_until(weight)


def test_a_model_weighs_more_than_its_file(root: Path) -> None:
    """The weight is known from the files, grows with features and categories, and more so for ONNX."""
    folder = root / "a" / "model"
    plain = weight_of(folder)
    text = (folder / "model.txt").read_bytes()
    assert len(text) + most_bytes(text, 4, 5) < plain
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["feature_schema"]["features"].append(
        {"name": "x", "type": "category", "values": ["a", "b"], "nullable": False}
    )
    (folder / "metadata.json").write_text(json.dumps(metadata))
    assert plain + 2048 + 512 + most_bytes(text, 5, 7) - most_bytes(text, 4, 5) == weight_of(folder)
    (folder / "metadata.json").write_text(json.dumps(metadata | {"model_format": "onnx"}))
    assert len(text) * 6 < weight_of(folder)
    (folder / "metadata.json").write_text(json.dumps(metadata | {"model_format": "sklearn-pickle"}))
    assert len(text) < weight_of(folder) < plain
    (folder / "metadata.json").write_text("{")
    assert 0 == weight_of(folder)
