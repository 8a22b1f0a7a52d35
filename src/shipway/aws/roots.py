"""Terraform's roots and modules as `infra init` writes them: from the templates that came with this Shipway.

Each environment gets the root of one of three kinds: dev, stage or prod. What tells two roots of a kind apart stands in
one block of its main.tf and in the addresses of its network; nothing else is changed in a template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.core.description.app import App
from shipway.core.errors import UsageError

KINDS = ("dev", "stage", "prod")
_NUMBERS = {"dev": 1, "stage": 2, "prod": 3}
"""Environments of these names keep the numbers that the templates have."""
_MOST = 99
_ONCE = ("bootstrap", "app", "modules")
_SHARED = "environments/shared-nonprod"
_IGNORED = ".terraform/\n*.tfstate\n*.tfstate.*\n*.tfplan\ncrash.log\n"


@dataclass(frozen=True, slots=True)
class EnvironmentRoot:
    """What tells an environment's root from others of its kind. `number` makes addresses and priorities its own."""

    kind: str
    number: int


def chosen(app: App, like: Mapping[str, str], before: Mapping[str, EnvironmentRoot]) -> dict[str, EnvironmentRoot]:
    """Each environment's kind and number: as asked for, else as before, else guessed. Raises UsageError."""
    for name, kind in like.items():
        if name not in app.environments:
            raise UsageError(f"no environment {name!r}", fix=f"name one of: {', '.join(app.environments)}")
        if kind not in KINDS:
            raise UsageError(
                f"{name} cannot be like {kind!r}", fix=f"an environment is like one of: {', '.join(KINDS)}"
            )
    taken = {root.number for name, root in before.items()} | set(_NUMBERS.values())
    free = iter(number for number in range(1, _MOST + 1) if number not in taken)
    roots = {}
    for name in app.environments:
        kind = like.get(name) or (before[name].kind if name in before else _guess(app, name))
        number = _NUMBERS.get(name) or (before[name].number if name in before else next(free, None))
        if number is None:
            raise UsageError(f"more than {_MOST} environments: their networks have no addresses of their own")
        roots[name] = EnvironmentRoot(kind, number)
    return roots


def _guess(app: App, name: str) -> str:
    """By its name; else one that asks for approval and that nothing follows is like prod, one that follows like stage."""
    if name in KINDS:
        return name
    environment = app.environments[name]
    last = all(other.after != name for other in app.environments.values())
    if environment.approval is not None and last:
        return "prod"
    return "stage" if environment.after is not None else "dev"


def files(templates: Path, roots: Mapping[str, EnvironmentRoot], shipway: str) -> dict[str, str]:
    """Path below infra/ → text. `shipway` is what pip installs where a pipeline runs our program."""
    found = {".gitignore": _IGNORED}
    for place in _ONCE:
        found |= dict(_read(templates, place))
    found["app/variables.tf"] = _replaced(
        found["app/variables.tf"], 'default     = ".[aws]"', f'default     = "{shipway}"'
    )
    sharing = [name for name, root in roots.items() if root.kind != "prod"]
    if sharing:
        shared = dict(_read(templates, _SHARED))
        names = ", ".join(f'"{name}"' for name in sharing)
        main = f"{_SHARED}/main.tf"
        shared[main] = _replaced(shared[main], 'sharing = ["dev", "stage"]', f"sharing = [{names}]")
        found |= shared
    for name, root in roots.items():
        found |= dict(_environment(templates, name, root))
    return found


def _environment(templates: Path, name: str, root: EnvironmentRoot) -> Iterator[tuple[str, str]]:
    kind, own = root.kind, f"environments/{name}"
    for path, text in _read(templates, f"environments/{kind}"):
        where = path.removeprefix(f"environments/{kind}/")
        filled = text.replace(f"environments/{kind}/", f"{own}/")
        if where == "main.tf":
            filled = _replaced(filled, f"# The environment {kind}:", f"# The environment {name}:")
            filled = _replaced(filled, f'  environment = "{kind}"\n', f'  environment = "{name}"\n')
            if kind != "prod":
                priority = f"  rules_from  = {100 * _NUMBERS[kind]} "
                filled = _replaced(filled, priority, f"  rules_from  = {100 * root.number} ")
        if where == "variables.tf":
            network = f'"10.{20 + _NUMBERS[kind]}.0.0/16"'
            filled = _replaced(filled, network, f'"10.{20 + root.number}.0.0/16"')
        yield f"{own}/{where}", filled


def _read(templates: Path, place: str) -> Iterator[tuple[str, str]]:
    for file in sorted((templates / place).rglob("*")):
        path = file.relative_to(templates)
        wanted = file.suffix == ".tf" or file.name == "README.md"
        if wanted and not re.search(r"(^|/)(\.terraform|tests)/", path.as_posix()):
            yield path.as_posix(), file.read_text()


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"a template holds {text.count(old)} times: {old}"
    return text.replace(old, new)
