"""The models of a multi-model container, as SageMaker's contract for such containers wants them kept.

https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html. All methods may be called from any thread;
`load`, `unload`, `evict_until` and `target_model` take milliseconds to seconds and belong into one beside the event
loop's, the others never wait for them.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ml_model_service.errors import Problem
from ml_model_service.metadata import Category, FeatureSchema
from ml_model_service.versions.memory import give_back
from ml_model_service.versions.model import MAX_METADATA, Model, ModelError, open_regular

log = logging.getLogger(__name__)
ROOT = Path("/opt/ml/models")
PAGE = 100
# the name is a segment of the path /models/{model_name} as it stands, and opaque otherwise
_NAME = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]{1,1024}")
_LOAD_TIMEOUT = 50.0
_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory. `weight` is what it counts against the bound, in bytes."""

    name: str
    url: str
    model: Model
    weight: int

    def to_json(self) -> dict[str, str]:
        """As `GET /models` and `GET /models/{model_name}` show it."""
        return {"modelName": self.name, "modelUrl": self.url}


class Models:
    """Loaded models by name, the least recently used first."""

    def __init__(self, memory_bound_bytes: int, load: Callable[[Path], Model], root: Path = ROOT) -> None:
        """`load` reads and verifies a folder, or raises ModelError; `root` is where urls must lie."""
        self._bound, self._load, self._root = memory_bound_bytes, load, root
        self._lock = threading.Lock()
        self._models: OrderedDict[str, Loaded] = OrderedDict()
        self._loading: dict[str, int] = {}
        self._targets: dict[str, tuple[threading.Lock, int]] = {}

    @property
    def used(self) -> int:
        """Bytes that loaded models and those being loaded count for."""
        with self._lock:
            return self._used()

    def load(self, name: str, url: str) -> Loaded:
        """Load the folder `url` and keep track of it as `name`.

        Raises Problem: 400 for a bad name or url or a model that does not verify, 404 for a url where nothing is, 409
        for a name that is loaded or being loaded, 507 for lack of memory.
        """
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise Problem(400, "invalid_model_name", f"model_name: found {str(name)[:80]!r}, allowed: {_NAME.pattern}")
        return self._load_from(name, url, self._folder(url))

    def get(self, name: str) -> Loaded:
        """The model loaded as `name`. Raises Problem 404. Does not count as a use."""
        loaded = self._models.get(name)
        if loaded is None:
            raise _not_loaded(name)
        return loaded

    def page(self, token: str | None = None) -> tuple[list[Loaded], str | None]:
        """A page of models by name, and the token of the next; None after the last. Raises Problem 400."""
        with self._lock:
            names = sorted(self._models)
            start = 0 if not token else bisect.bisect_right(names, _name_in(token))
            page = [self._models[name] for name in names[start : start + PAGE]]
        more = start + PAGE < len(names)
        return page, base64.urlsafe_b64encode(page[-1].name.encode()).decode() if more else None

    def invoke(self, name: str) -> Model:
        """The model to answer a request with; it counts as used now. Raises Problem 404."""
        model = self._taken(name)
        if model is None:
            raise _not_loaded(name)
        return model

    def unload(self, name: str) -> None:
        """Forget the model and give its memory back. Raises Problem 404. Requests under way finish with it."""
        with self._lock:
            if self._models.pop(name, None) is None:
                raise _not_loaded(name)
        log.info("unloaded model %s", name)
        give_back()

    def evict_until(self, free: int) -> list[str]:
        """Unload the least recently used until `free` bytes are left under the bound; the names of those unloaded.

        Raises Problem 507, having unloaded none, when that cannot be.
        """
        evicted: list[str] = []
        with self._lock:
            if sum(self._loading.values()) + free > self._bound:
                raise _no_memory(free, self._bound)
            while self._used() + free > self._bound:
                evicted.append(self._models.popitem(last=False)[0])
        if evicted:
            log.info("unloaded models %s: the least recently used had to make room", ", ".join(evicted))
            give_back()
        return evicted

    def target_model(self, name: str, folder: Path) -> Model:
        """The model loaded as `name`, loaded from `folder` if it is not, others being evicted as it takes.

        What SageMaker's platform does around a container when a request names its target. The folder is trusted.
        Raises Problem as `load` does, but waits where another request loads the same model.
        """
        model = self._taken(name)
        if model is not None:
            return model
        with self._turn(name):
            model = self._taken(name)
            for attempt in range(_ATTEMPTS):
                if model is not None:
                    break
                if attempt:
                    self.evict_until(weight_of(folder))
                try:
                    model = self._load_from(name, str(folder), folder).model
                except Problem as problem:
                    # others may take the room that was made
                    if problem.status != 507 or attempt == _ATTEMPTS - 1:
                        raise
            assert model is not None
            return model

    def _taken(self, name: str) -> Model | None:
        """The model, now the most recently used."""
        with self._lock:
            loaded = self._models.get(name)
            if loaded is not None:
                self._models.move_to_end(name)
            return None if loaded is None else loaded.model

    def _load_from(self, name: str, url: str, folder: Path) -> Loaded:
        if not folder.is_dir():
            raise Problem(404, "model_not_found", f"there is no model {name} where it should lie")
        weight = weight_of(folder)
        with self._lock:
            if name in self._models or name in self._loading:
                raise Problem(409, "model_already_loaded", f"model_name {name} is already loaded")
            if self._used() + weight > self._bound:
                raise _no_memory(weight, self._bound - self._used())
            self._loading[name] = weight
        try:
            loaded = Loaded(name, url, self._load(folder), weight)
            with self._lock:
                self._models[name] = loaded
        except ModelError as error:
            raise Problem(400, "invalid_model", str(error)) from error
        except MemoryError as error:
            raise _no_memory(weight, 0) from error
        finally:
            with self._lock:
                del self._loading[name]
        log.info("loaded model %s from %s, %d bytes", name, url, weight)
        return loaded

    def _folder(self, url: str) -> Path:
        """The folder of a url, which must lie under the root by every name. Raises Problem 400."""
        wrong = Problem(400, "invalid_url", f"url: found {str(url)[:200]!r}, allowed is a folder under {self._root}")
        if not isinstance(url, str) or not url.startswith("/"):
            raise wrong
        try:
            root, folder = self._root.resolve(), Path(url).resolve()
            inside = folder != root and folder.is_relative_to(root)
            # a link in an archive could show any file of this machine
            if not inside or not all(path.resolve().is_relative_to(root) for path in _entries(folder)):
                raise wrong
        except (ValueError, OSError, RuntimeError):
            raise wrong from None
        return folder

    def _used(self) -> int:
        return sum(loaded.weight for loaded in self._models.values()) + sum(self._loading.values())

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """One at a time for each name. Raises Problem 503 when that takes too long."""
        with self._lock:
            lock, waiting = self._targets.get(name, (threading.Lock(), 0))
            self._targets[name] = lock, waiting + 1
        try:
            if not lock.acquire(timeout=_LOAD_TIMEOUT):
                raise Problem(503, "model_loading", f"model {name} is still being loaded after {_LOAD_TIMEOUT:g} s")
            try:
                yield
            finally:
                lock.release()
        finally:
            with self._lock:
                lock, waiting = self._targets[name]
                if waiting == 1:
                    del self._targets[name]
                else:
                    self._targets[name] = lock, waiting - 1


class _Described(msgspec.Struct):
    """What of metadata.json tells how much memory a model takes."""

    model_file: str
    model_format: str
    feature_schema: FeatureSchema


def weight_of(folder: Path) -> int:
    """Bytes that a model counts for, known before it is loaded. 0 if its files cannot be read: loading says why.

    Measured by resident memory over LightGBM text of 0.04 to 7 MB: 0.65 to 0.8 of the file, 2 KB a feature for what
    checks requests, and the bit vectors, which are 4 to 10 times the file. ONNX Runtime takes 4 to 6 times the file,
    and 0.1 MB a session.
    """
    try:
        with open(folder / "metadata.json", "rb", opener=open_regular) as file:
            described = msgspec.json.decode(file.read(MAX_METADATA), type=_Described)
        features = described.feature_schema.features
        values = sum(len(feature.values) for feature in features if isinstance(feature, Category))
        engine = _engine_weight(folder / described.model_file, described.model_format, len(features), values)
    except (OSError, ValueError, RecursionError):
        return 0
    return engine + (32 << 10) + 2048 * len(features) + 256 * values


def _engine_weight(model_file: Path, model_format: str, features: int, categories: int) -> int:
    size = model_file.stat().st_size
    if model_format == "onnx":
        return 6 * size + (128 << 10)
    if model_format != "lightgbm-text":
        return size
    # NumPy, which a container without such models does not need
    from ml_model_service.engines.bit_vectors import MOST_TEXT, most_bytes

    with open(model_file, "rb", opener=open_regular) as file:
        return size + most_bytes(file.read(MOST_TEXT + 1), features, categories)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _name_in(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Problem(400, "invalid_token", "next_page_token: this is none that GET /models gave") from None


def _not_loaded(name: str) -> Problem:
    return Problem(404, "model_not_loaded", f"model_name {name[:80]} is not loaded")


def _no_memory(needed: int, left: int) -> Problem:
    message = f"the model cannot be loaded due to lack of memory: it takes {needed} bytes, {left} are left; unload some"
    return Problem(507, "insufficient_memory", message)
