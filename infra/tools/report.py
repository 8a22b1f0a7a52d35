"""What a rehearsal saw, kept in rehearsal/seen.json, and the page made of it: docs/aws/rehearsed.md."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tools import terraform

SEEN = terraform.INFRA / "rehearsal" / "seen.json"
PAGE = terraform.INFRA.parent / "docs" / "aws" / "rehearsed.md"


@dataclass
class Root:
    """What was seen of one root."""

    date: str
    emulator: str
    applied: dict[str, int]
    """Type → how many resources of it were applied."""
    clean: bool = False
    """Whether the second plan showed nothing but what rehearsal/drift.yaml lists."""
    differs: list[str] = field(default_factory=list)
    """type.attribute that the emulator read back otherwise."""
    rollout: bool = False
    """Whether a rollout's own calls stayed out of the plan after them."""
    destroyed: bool = False
    left: dict[str, int] = field(default_factory=dict)
    """Type → how many the emulator could not delete."""


def load() -> dict[str, Root]:
    """Root → what was seen of it at its last rehearsal."""
    return {name: Root(**seen) for name, seen in json.loads(SEEN.read_text()).items()} if SEEN.exists() else {}


def keep(new: dict[str, Root]) -> None:
    """Puts what was seen in the place of what was seen of the same roots before, and renews the page."""
    seen = load() | new
    SEEN.write_text(json.dumps({name: asdict(root) for name, root in sorted(seen.items())}, indent=2) + "\n")
    PAGE.write_text(page(seen, types(terraform.INFRA)))


def types(infra: Path) -> set[str]:
    """Every resource type that the modules and roots may make."""
    places = [infra / "modules", infra / "bootstrap", infra / "app", infra / "environments"]
    files = [file for place in places for file in place.rglob("*.tf") if ".terraform" not in file.parts]
    return {kind for file in files for kind in re.findall(r'^resource "(\w+)"', file.read_text(), re.MULTILINE)}


def page(seen: dict[str, Root], kinds: set[str]) -> str:
    """The page, from what was seen and every type there is."""
    rows = {kind: _row(kind, seen) for kind in sorted(kinds)}
    whole = [kind for kind, (_, again, gone) in rows.items() if again == "clean" and gone == "yes"]
    partly = [kind for kind, (applied, again, gone) in rows.items() if applied and (again, gone) != ("clean", "yes")]
    only = [kind for kind, (applied, _, _) in rows.items() if not applied]
    lines = [
        _HEAD,
        f"**{len(kinds)} resource types.** On the emulator: {len(whole)} applied, planned again without a difference and "
        f"destroyed; {len(partly)} applied with a difference that the table names; {len(only)} not applied, because "
        f"it does not hold them or the size `minimal` has none: those rest on mocks alone. All {len(kinds)} are made in a run of `terraform test` with AWS mocked, which "
        "`make infra-test` checks: a mock answers what we tell it, so that is a check of our own values only.\n",
        "## Roots\n",
        "| root | rehearsed | applied | planned again | a rollout's calls between two plans | destroyed |",
        "|---|---|---|---|---|---|",
        *(_root_line(name, root) for name, root in sorted(seen.items())),
        "\n## Resource types\n",
        "| type | applied on the emulator | planned again | destroyed |",
        "|---|---|---|---|",
        *(f"| {kind} | {' | '.join(cells) if cells[0] else 'no: mocks alone |  |'} |" for kind, cells in rows.items()),
    ]
    return "\n".join(lines) + "\n"


def _row(kind: str, seen: dict[str, Root]) -> tuple[str, str, str]:
    having = [root for root in seen.values() if kind in root.applied]
    if not having:
        return "", "", ""
    differs = sorted({one.split(".", 1)[1] for root in having for one in root.differs if one.split(".", 1)[0] == kind})
    unclean = any(not root.clean for root in having)
    left = sum(root.left.get(kind, 0) for root in having)
    undestroyed = any(not root.destroyed for root in having)
    return (
        str(sum(root.applied[kind] for root in having)),
        f"reads back otherwise: {', '.join(differs)}" if differs else "not compared" if unclean else "clean",
        f"{left} left: it cannot" if left else "no" if undestroyed else "yes",
    )


def _root_line(name: str, root: Root) -> str:
    cells = [
        f"{root.date}, {root.emulator}",
        f"{sum(root.applied.values())} resources of {len(root.applied)} types",
        f"clean but for {len(root.differs)} attribute{'s' * (len(root.differs) > 1)}"
        if root.differs
        else "clean"
        if root.clean
        else "no",
        "unseen by Terraform" if root.rollout else "–",
        (f"but for {sum(root.left.values())}" if root.left else "all") if root.destroyed else "no",
    ]
    return f"| {name} | {' | '.join(cells)} |"


def kinds_in(listed: list[str]) -> dict[str, int]:
    """Type → how many of it stand in `terraform state list`, data sources left out."""
    own = [re.sub(r"^(?:module\.\w+(?:\[[^\]]*\])?\.)*", "", address) for address in listed]
    found = [address.split(".")[0] for address in own if not address.startswith("data.")]
    return {kind: found.count(kind) for kind in sorted(set(found))}


_HEAD = """# What was rehearsed on an emulator

Made by `make infra-rehearse`, of what it saw; `make infra-test` compares. An emulator keeps what it is told. It routes,
encrypts and refuses nothing as AWS does, so this says that the provider accepts what we write and that nothing fights over
an attribute, no more. What the emulator reads back otherwise stands with its reason in `infra/rehearsal/drift.yaml`.
"""


if __name__ == "__main__":
    PAGE.write_text(page(load(), types(terraform.INFRA)))
