"""The paths of a multi-model container, and the models that a SageMaker Runtime client names as its target."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from pathlib import Path
from urllib.parse import parse_qs, unquote

import msgspec

from ml_model_service.contract.version import VERSION
from ml_model_service.errors import Problem
from ml_model_service.http.messages import Answer, Reply, Request
from ml_model_service.predictions import IN_THREAD, Predictions
from ml_model_service.sagemaker.multi_model import Models
from ml_model_service.settings import Settings
from ml_model_service.versions.model import Model, ModelError, load
from ml_model_service.versions.sources import Source

# a target is an object's key below the endpoint's prefix: the version, as a folder or as the archive SageMaker keeps
_TARGET = re.compile(rf"({VERSION.pattern})(?:\.tar\.gz|/model\.tar\.gz)?")
# InvokeEndpoint names the variant that answered. Models that are asked for by name share one, which has the name that
# SageMaker's own tools give to an endpoint's only variant; a version's name would pass for a variant of the split.
_INVOKED = b"x-amzn-invoked-production-variant: AllTraffic\r\n"
_encode = msgspec.json.Encoder().encode


class _Load(msgspec.Struct):
    """The body of `POST /models`."""

    model_name: str
    url: str


class Hosting:
    """Models beside the one in service: loaded, listed, invoked and unloaded by name."""

    def __init__(self, settings: Settings, predictions: Predictions, source: Source | None) -> None:
        self.models = Models(settings.models_memory, self._read, settings.models_root)
        self._settings, self._source, self._predictions = settings, source, predictions

    def reply(self, request: Request) -> Reply:
        """What `/models…` answers. Raises Problem."""
        name, *rest = [unquote(part) for part in request.path.decode("latin-1").split("/")[2:]] or [""]
        method = request.method
        if not name and method == b"POST":
            return self._load(request)
        if not name and method == b"GET":
            return self._list(request.query)
        if name and rest == ["invoke"] and method == b"POST":
            return self._invoke(name, request)
        if name and not rest and method == b"GET":
            return Answer(200, _encode(self.models.get(name).to_json()))
        if name and not rest and method == b"DELETE":
            return self._unload(name)
        message = "there are POST and GET /models, GET and DELETE /models/NAME, POST /models/NAME/invoke"
        raise Problem(404, "not_found", f"no such path or method; {message}")

    def invoke_target(self, target: bytes, request: Request) -> Awaitable[Answer]:
        """The answer of the version that a client names, loaded on demand as SageMaker does it. Raises Problem."""
        found = _TARGET.fullmatch(target.decode("latin-1"))
        if found is None or self._source is None:
            shown = target.decode("latin-1")[:80]
            raise Problem(400, "invalid_target", f"target model: found {shown!r}, allowed is a version such as v1.0")
        return asyncio.to_thread(self._answer_of, found[1], self._source, request)

    def _read(self, folder: Path) -> Model:
        """The model in `folder`: a version of the bucket, else one of those below the root of a container's models."""
        if self._source is not None and folder.parent == self._source.bucket.folder:
            return self._source.load(folder.name)
        return load(folder, bucket=self._settings.bucket_at(self._settings.models_root))

    def _answer_of(self, version: str, source: Source, request: Request) -> Answer:
        try:
            folder = source.folder(version)
        except ModelError as error:
            raise Problem(404, "model_not_found", str(error)) from error
        answer = self._predictions.predict_by(self.models.target_model(version, folder), request)
        answer.headers += _INVOKED
        return answer

    def _invoke(self, name: str, request: Request) -> Reply:
        model = self.models.invoke(name)
        if len(request.body) > IN_THREAD:
            return asyncio.to_thread(self._predictions.predict_by, model, request)
        return self._predictions.predict_by(model, request)

    async def _load(self, request: Request) -> Answer:
        try:
            wanted = msgspec.json.decode(request.body, type=_Load)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Problem(400, "invalid_request", f'expected {{"model_name": …, "url": …}}: {error}') from None
        loaded = await asyncio.to_thread(self.models.load, wanted.model_name, wanted.url)
        return Answer(200, _encode(loaded.to_json()))

    async def _unload(self, name: str) -> Answer:
        await asyncio.to_thread(self.models.unload, name)
        return Answer(200, b"{}")

    def _list(self, query: bytes) -> Answer:
        tokens = parse_qs(query.decode("latin-1")).get("next_page_token", [""])
        page, following = self.models.page(tokens[0])
        more = {} if following is None else {"nextPageToken": following}
        return Answer(200, _encode({"models": [model.to_json() for model in page], **more}))
