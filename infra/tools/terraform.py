"""Runs Terraform on the folders of `infra/`, with the provider from this machine if it lies here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

INFRA = Path(__file__).parents[1]
PROVIDER = "registry.terraform.io/hashicorp/aws"
_MIRRORS = ("/opt", "/usr/share", "/usr/local/share", str(Path.home() / ".terraform.d"))


class Failed(Exception):
    """Terraform ended badly; the message is what it said."""


def program() -> str:
    """Raises Failed, with what to install, where there is no Terraform."""
    found = shutil.which(os.environ.get("TERRAFORM", "terraform"))
    if found is None:
        raise Failed("no terraform: install Terraform 1.10 or newer (developer.hashicorp.com/terraform/install)")
    return found


def folders() -> list[Path]:
    """Modules first, then roots: each folder with a `versions.tf`."""
    modules = sorted((INFRA / "modules").glob("*/versions.tf"))
    roots = [INFRA / "bootstrap", INFRA / "app", *sorted((INFRA / "environments").iterdir())]
    return [file.parent for file in modules] + [root for root in roots if (root / "versions.tf").exists()]


def run(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Raises Failed if Terraform does, unless `check` is False."""
    done = subprocess.run(
        [program(), f"-chdir={folder}", *words], capture_output=True, text=True, env=_environment(), check=False
    )
    if check and done.returncode != 0:
        raise Failed(f"terraform {words[0]} in {_named(folder)}\n{done.stdout}{done.stderr}")
    return done


def init(folder: Path, *, backend: bool = False) -> None:
    """Raises Failed. Without the place of the state, unless asked for. From a mirror on this machine without a network, else from Terraform's registry."""
    words = ["init", f"-backend={str(backend).lower()}", "-input=false"]
    if mirror := _mirror():
        words.append(f"-plugin-dir={mirror}")
    run(folder, *words)


def run_tests(folder: Path, *, resources: bool) -> tuple[str, list[dict[str, Any]]]:
    """What `terraform test` says in its last line, and, if asked for, every resource of its runs. Raises Failed."""
    done = run(folder, "test", "-json", *(["-verbose"] if resources else []), check=False)
    # A state's line holds the provider's whole schema, 13 MB: of those only the resources are read.
    lines = done.stdout.splitlines()
    short = [json.loads(line) for line in lines if line.startswith("{") and len(line) < 100_000]
    wrong = [message for message in short if message.get("@level") == "error"]
    if done.returncode != 0 or wrong:
        details = [_diagnostic(message) for message in wrong] or [done.stdout[-2000:] + done.stderr[-2000:]]
        raise Failed(f"terraform test in {_named(folder)}\n" + "\n".join(details))
    summary = next(message["@message"] for message in short if message.get("type") == "test_summary")
    made = [
        resource
        for line in lines
        if '"type":"test_state"' in line
        for resource in _resources(_part(line, "root_module"))
    ]
    planned = [change for line in lines if '"type":"test_plan"' in line for change in _part(line, "resource_changes")]
    return summary, made + [change | {"values": change["change"]["after"] or {}} for change in planned]


def _named(folder: Path) -> str:
    return str(folder.relative_to(INFRA)) if folder.is_relative_to(INFRA) else str(folder)


def _part(line: str, name: str) -> Any:
    """The first value of that name in the line, read without the rest of it."""
    key = f'"{name}":'
    return json.JSONDecoder().raw_decode(line, line.index(key) + len(key))[0]


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def _diagnostic(message: dict[str, Any]) -> str:
    found = message.get("diagnostic", {})
    where = found.get("range", {})
    place = f"{where.get('filename')}:{where.get('start', {}).get('line')}: " if where else ""
    return f"  {place}{message['@message']}\n    {found.get('detail', '')}"


def _mirror() -> str | None:
    """A folder of providers that holds ours: $TERRAFORM_PLUGINS, or one that stands in a usual place."""
    if given := os.environ.get("TERRAFORM_PLUGINS"):
        return given
    found = sorted(path for base in _MIRRORS for path in Path(base).glob(f"*/{PROVIDER}"))
    return str(found[0]).removesuffix(f"/{PROVIDER}") if found else None


def _environment() -> dict[str, str]:
    environment = os.environ | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    if not Path(environment.get("TF_CLI_CONFIG_FILE", "")).is_file():
        environment.pop("TF_CLI_CONFIG_FILE", None)
    return environment
