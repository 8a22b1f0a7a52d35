"""Whether an app's bundle and an API fit: what the bundle sends is accepted, what it reads is still there.

The bundle's word is the copy of the API's OpenAPI document (3.0 or 3.1) that it was built with, and which of its
operations it uses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from shipway.core.compatibility.schemas import Difference, Schema, differences

Document = Mapping[str, Any]
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Break:
    """What would break: the operation, such as `POST /api/predict`, the place in it, and why."""

    operation: str
    place: str
    reason: str


def operations_of(document: Document) -> list[str]:
    """All operations of a document, such as `GET /api/places`."""
    return [
        f"{method.upper()} {path}"
        for path, item in document.get("paths", {}).items()
        for method in METHODS
        if method in item
    ]


def breaks(bundle: Document, api: Document, used: Collection[str], optional: Collection[str] = ()) -> list[Break]:
    """What of the bundle would break with the API. `optional` operations may be absent: the bundle does without them.

    Raises ValueError where the bundle's own document lacks an operation that it uses, and for what is no OpenAPI.
    """
    found: list[Break] = []
    for operation in used:
        try:
            found += _of_operation(bundle, api, operation, operation in optional)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{operation} is not described as OpenAPI has it: {error!r}") from error
    return found


def _of_operation(bundle: Document, api: Document, name: str, is_optional: bool) -> Iterator[Break]:
    old, new = _operation(bundle, name), _operation(api, name)
    if old is None:
        raise ValueError(f"the bundle uses {name}, and its own document has no such operation")
    if new is None:
        if not is_optional:
            yield Break(name, "", "the operation is gone")
        return
    sides = _Sides(bundle, api)
    for place, difference in (*sides.parameters(old, new), *sides.body(old, new), *sides.answers(old, new)):
        yield Break(name, f"{place} {difference.place}".rstrip(" $").replace("$.", ""), difference.reason)
    for place, reason in _security(bundle, api, old, new):
        yield Break(name, place, reason)


def _operation(document: Document, name: str) -> dict[str, Any] | None:
    """The operation with the parameters of its path; path parameters may be called otherwise."""
    method, _, path = name.partition(" ")
    for known, item in document.get("paths", {}).items():
        if _shape(known) == _shape(path) and method.lower() in item:
            found = dict(item[method.lower()])
            found["parameters"] = [*item.get("parameters", ()), *found.get("parameters", ())]
            return found
    return None


def _shape(path: str) -> list[str]:
    return ["{}" if part.startswith("{") else part for part in path.split("/")]


Found = Iterator[tuple[str, Difference]]


class _Sides:
    """Both documents, and comparisons in either direction."""

    def __init__(self, bundle: Document, api: Document) -> None:
        self._bundle, self._api = partial(_target, bundle), partial(_target, api)
        self._documents = bundle, api

    def parameters(self, old: Schema, new: Schema) -> Found:
        """Of query, headers, cookies by name; of the path in their order."""
        sent, wanted = self._named(old, self._documents[0]), self._named(new, self._documents[1])
        for key, parameter in wanted.items():
            place = f"{key[0]} parameter {parameter['name']}"
            if key not in sent:
                if parameter.get("required"):
                    yield place, Difference("$", "it is required, and the bundle does not send it")
                continue
            if parameter.get("required") and not sent[key].get("required"):
                yield place, Difference("$", "it is required, and the bundle may leave it out")
            for one in self._accepted(sent[key].get("schema", {}), parameter.get("schema", {}), lenient=False):
                yield place, one
        for key, parameter in sent.items():
            if key not in wanted and key[0] == "path":
                yield f"path parameter {parameter['name']}", Difference("$", "it is gone")

    def body(self, old: Schema, new: Schema) -> Found:
        """What is sent."""
        sent = self._resolved(old.get("requestBody", {}), self._documents[0])
        wanted = self._resolved(new.get("requestBody", {}), self._documents[1])
        if wanted.get("required") and not sent.get("required"):
            yield "body", Difference("$", "it is required, and the bundle may leave it out")
        if not sent.get("content"):
            return
        if not wanted.get("content"):
            return  # nobody reads it any more
        if (kind := _media(sent["content"])) not in wanted["content"]:
            yield "body", Difference("$", f"{kind} is not accepted; {', '.join(wanted['content'])} is")
            return
        schemas = sent["content"][kind].get("schema", {}), wanted["content"][kind].get("schema", {})
        for one in self._accepted(*schemas, lenient=False):
            yield "body", one

    def answers(self, old: Schema, new: Schema) -> Found:
        """What is read, by status. Errors that no longer come break nobody; a success of another kind does."""
        read, said = old.get("responses", {}), new.get("responses", {})
        for status in said:
            if _is_success(status) and status not in read and "default" not in read:
                yield f"answer {status}", Difference("$", "the bundle does not know this answer")
        for status, response in read.items():
            wanted = self._resolved(response, self._documents[0])
            answer = said.get(status)
            if answer is None:
                if _is_success(status):
                    yield f"answer {status}", Difference("$", "it is never given any more")
                continue
            content = wanted.get("content")
            if not content:
                continue
            yield from self._answer(status, content, self._resolved(answer, self._documents[1]).get("content") or {})

    def _answer(self, status: str, wanted: Schema, given: Schema) -> Found:
        kind = _media(wanted)
        if kind not in given:
            has = ", ".join(given) or "nothing"
            yield f"answer {status}", Difference("$", f"{has} where {kind} is expected")
            return
        sent, read = given[kind].get("schema", {}), wanted[kind].get("schema", {})
        for one in differences(sent, read, self._api, self._bundle, lenient=True):
            yield f"answer {status}", one

    def _accepted(self, sent: Schema, wanted: Schema, *, lenient: bool) -> list[Difference]:
        return differences(sent, wanted, self._bundle, self._api, lenient=lenient)

    def _named(self, operation: Schema, document: Document) -> dict[tuple[str, str], Schema]:
        found: dict[tuple[str, str], Schema] = {}
        places = 0
        for given in operation["parameters"]:
            parameter = self._resolved(given, document)
            name = str(parameter["name"])
            if parameter["in"] == "path":
                name, places = str(places), places + 1
            found[parameter["in"], name.lower() if parameter["in"] == "header" else name] = parameter
        return found

    @staticmethod
    def _resolved(part: Schema, document: Document) -> Schema:
        return _target(document, str(part["$ref"])) if "$ref" in part else part


def _target(document: Document, reference: str) -> Schema:
    """What a reference within the document leads to. Raises ValueError."""
    if not reference.startswith("#/"):
        raise ValueError(f"the reference {reference!r} leads out of the document")
    found: Any = document
    for part in reference[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or key not in found:
            raise ValueError(f"the reference {reference!r} leads nowhere")
        found = found[key]
    return found if isinstance(found, Mapping) else {}


def _media(content: Schema) -> str:
    return JSON if JSON in content else next(iter(content))


def _is_success(status: str) -> bool:
    return status.startswith("2")


def _security(bundle: Document, api: Document, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
    """A key that the bundle was not built to show. Any one of the listed requirements is enough."""
    has, wants = old.get("security", bundle.get("security", [])), new.get("security", api.get("security", []))
    if wants and not any(all(scheme in given for scheme in one) for one in wants for given in (has or [{}])):
        yield "security", f"it takes {' or '.join(' and '.join(one) for one in wants)}, which the bundle does not send"
