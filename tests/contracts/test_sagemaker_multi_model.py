"""The platform's rules for a container that hosts many models.

Page of the SageMaker developer guide: "Custom Containers Contract for Multi-Model Endpoints" (mms-container-apis).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.contracts.conftest import VERSION, Holdout, Start, probability
from tests.contracts.programs import Answer, Service

MOST_LOADS = 200
MEMORY = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Hosting:
    """A multi-model service and the folder where the platform lays models for it."""

    service: Service
    start: Start
    root: Path
    model: Path

    def lay(self, name: str) -> str:
        """The model's files, as the platform unpacks them: the url that it then sends."""
        if not (self.root / name).exists():
            shutil.copytree(self.model, self.root / name / "model", copy_function=os.link)
        return self.start.url(self.root, name)

    def load(self, name: str, url: str | None = None, service: Service | None = None) -> Answer:
        body = json.dumps({"model_name": name, "url": url or self.lay(name)})
        headers = {"content-type": "application/json", "accept": "application/json"}
        return (service or self.service).ask("POST", "/models", body, headers)

    def unload(self, name: str) -> Answer:
        return self.service.ask("DELETE", f"/models/{name}")

    def another_connection(self) -> Service:
        return Service(self.service.process, self.service.port, self.service.log)

    def listed(self) -> dict[str, str]:
        """Names and urls over all pages."""
        found: dict[str, str] = {}
        query = ""
        for _ in range(MOST_LOADS):
            answer = self.service.ask("GET", f"/models{query}", headers={"accept": "application/json"})
            assert 200 == answer.status, answer.body
            page = answer.json()
            for model in page["models"]:
                assert {"modelName", "modelUrl"} == set(model)
                assert model["modelName"] not in found
                found[model["modelName"]] = model["modelUrl"]
            token = page.get("nextPageToken")
            if token is None:
                return found
            query = f"?{urlencode({'next_page_token': token})}"
        raise AssertionError("the pages never end")


@pytest.fixture(scope="module")
def running(start: Start, bucket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosting]:
    # beside the bucket, as files are linked
    root = tmp_path_factory.mktemp("models")
    with start(root, SAGEMAKER_MULTI_MODEL="true") as service:
        yield Hosting(service, start, root, bucket / VERSION)


@pytest.fixture
def hosting(running: Hosting) -> Iterator[Hosting]:
    """No model is loaded, before and after."""
    assert {} == running.listed()
    yield running
    for name in running.listed():
        assert 200 == running.unload(name).status


def test_ping_is_healthy_without_a_model(hosting: Hosting) -> None:
    """Models are loaded when they are first asked for, which a container that fails its probes never sees."""
    assert 200 == hosting.service.ask("GET", "/ping").status


def test_loaded_model_answers(hosting: Hosting, holdout: Holdout) -> None:
    """“After a model is loaded, the container should be ready to serve inference requests using this model_name”."""
    assert 200 == hosting.load("delay").status
    for row, expected in zip(holdout.instances[:20], holdout.predictions[:20], strict=True):
        answer = hosting.service.predict([row], "/models/delay/invoke", x_amzn_sagemaker_target_model="delay.tar.gz")
        assert expected == pytest.approx(probability(answer), abs=1e-9)


def test_loading_again_is_409(hosting: Hosting) -> None:
    """“If model_name is already loaded, this API should return 409”."""
    assert [200, 409] == [hosting.load("delay").status for _ in range(2)]


def test_loading_at_the_same_time_loads_once(hosting: Hosting) -> None:
    """Of several requests to load one name, one loads it and the others get 409."""
    hosting.lay("delay")
    connections = [hosting.another_connection() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(lambda one: hosting.load("delay", service=one).status, connections))
    assert [200, 409, 409, 409] == statuses


def test_list_and_get_tell_name_and_url(hosting: Hosting) -> None:
    """GET /models and GET /models/{model_name}: “modelName”, “modelUrl”."""
    urls = {name: hosting.lay(name) for name in ("delay", "v1.0.tar.gz", "0f" * 32)}
    for name in urls:
        assert 200 == hosting.load(name).status
    assert urls == hosting.listed()
    for name, url in urls.items():
        answer = hosting.service.ask("GET", f"/models/{name}")
        assert (200, {"modelName": name, "modelUrl": url}) == (answer.status, answer.json())


def test_list_has_pages(start: Start, bucket: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """“If a nextPageToken field is returned …, it will be provided as the value for next_page_token” of the next."""
    root = tmp_path_factory.mktemp("many-models")
    with start(root, SAGEMAKER_MULTI_MODEL="true") as service:
        hosting = Hosting(service, start, root, bucket / VERSION)
        url = hosting.lay("delay")
        names = {f"model-{number}" for number in range(120)}
        assert {200} == {hosting.load(name, url).status for name in names}
        assert service.ask("GET", "/models").json()["nextPageToken"]
        assert names == set(hosting.listed())


def test_last_page_has_no_token(hosting: Hosting) -> None:
    """“If a nextPageToken is not returned, it means that there are no more models to return”."""
    assert {"models": []} == hosting.service.ask("GET", "/models").json()


def test_unloaded_model_is_gone(hosting: Hosting, holdout: Holdout) -> None:
    """DELETE /models/{model_name} frees the name; the model can be loaded again."""
    assert 200 == hosting.load("delay").status
    assert 200 == hosting.unload("delay").status
    assert {} == hosting.listed()
    assert 404 == hosting.service.predict(holdout.instances[:1], "/models/delay/invoke").status
    assert 200 == hosting.load("delay").status


def test_what_is_not_loaded_is_404(hosting: Hosting, holdout: Holdout) -> None:
    """“If model_name is not loaded, this API should return 404”: get, unload, invoke."""
    assert 404 == hosting.service.ask("GET", "/models/nobody").status
    assert 404 == hosting.unload("nobody").status
    assert 404 == hosting.service.predict(holdout.instances[:1], "/models/nobody/invoke").status


def test_without_memory_it_is_507_until_something_is_unloaded(
    start: Start, bucket: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """“Any time a model cannot be loaded due to lack of memory …, this API should return a 507”; then SageMaker unloads."""
    root = tmp_path_factory.mktemp("few-models")
    with start(root, SAGEMAKER_MULTI_MODEL="true", MODELS_MEMORY_BYTES=str(MEMORY)) as service:
        hosting = Hosting(service, start, root, bucket / VERSION)
        url = hosting.lay("delay")
        statuses: list[int] = []
        while len(statuses) < MOST_LOADS and (not statuses or statuses[-1] == 200):
            statuses.append(hosting.load(f"model-{len(statuses)}", url).status)
        *loaded, last = statuses
        assert ({200}, 507) == (set(loaded), last)
        assert {f"model-{number}" for number in range(len(loaded))} == set(hosting.listed())
        assert 507 == hosting.load("one-more", url).status
        assert 200 == hosting.unload("model-0").status
        assert 200 == hosting.load("one-more", url).status


@pytest.mark.parametrize("body", ["{", "{}", '{"model_name": "x"}', '{"model_name": 1, "url": 2}'])
def test_wrong_load_is_a_client_error(hosting: Hosting, body: str) -> None:
    """What is no load request is refused, and neither 409 nor 507, which mean something to the platform."""
    answer = hosting.service.ask("POST", "/models", body, {"content-type": "application/json"})
    assert answer.status in (400, 422), answer.body
    assert {} == hosting.listed()


def test_model_that_is_not_there_is_not_loaded(hosting: Hosting) -> None:
    """A url without a model, or outside of where the platform lays models, loads nothing."""
    for url in (hosting.start.url(hosting.root, "nobody"), "/etc", f"{hosting.start.url(hosting.root, 'x')}/../../.."):
        status = hosting.load("nobody", url).status
        assert status >= 400
        assert status not in (409, 507)
    assert {} == hosting.listed()


def test_ping_and_others_answer_while_a_model_loads(hosting: Hosting, slow_model: Path, holdout: Holdout) -> None:
    """“The request timeout on /ping attempts is 2 seconds”, also while a slow model loads; loaded ones go on."""
    assert 200 == hosting.load("quick").status
    shutil.copytree(slow_model, hosting.root / "slow" / "model", copy_function=os.link)
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(hosting.load, "slow", None, hosting.another_connection())
        statuses: list[int] = []
        for row in holdout.instances[:20]:
            statuses.append(hosting.service.ask("GET", "/ping").status)
            statuses.append(hosting.service.predict([row], "/models/quick/invoke").status)
        assert 404 == hosting.service.predict(holdout.instances[:1], "/models/slow/invoke").status
        assert not loading.done()
        assert 200 == loading.result(60).status
    assert {200} == set(statuses)
    assert 200 == hosting.service.predict(holdout.instances[:1], "/models/slow/invoke").status


def test_wrong_rows_are_told_as_by_an_endpoint_of_one_model(hosting: Hosting) -> None:
    """Errors of an invocation have the service's one shape."""
    assert 200 == hosting.load("delay").status
    answer = hosting.service.predict([{}], "/models/delay/invoke")
    error: dict[str, Any] = answer.json()["error"]
    assert (422, "invalid_request") == (answer.status, error["code"])
