"""`make infra-test`: format, validity, Terraform's own tests, rendered policies, checkov. Nothing here needs an account."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from tools import policies, terraform

LISTS = terraform.INFRA / "tests"
AT_ONCE = 2
# These render every policy as it will be, and CodeCommit's beside them.
RENDERED = ("bootstrap", "app", "dev", "stage", "prod", "pipeline")


def main() -> int:
    """Runs the steps; says what failed, in full, at its end."""
    steps: list[tuple[str, Callable[[], str]]] = [
        ("format", _format),
        ("the policy check itself", _bad_policies),
        ("init and validate", _validate),
        ("tests, policies", _tests),
        ("checkov", _checkov),
    ]
    failed = 0
    for name, step in steps:
        started = time.monotonic()
        try:
            said, mark = step(), "✔"
        except terraform.Failed as problem:
            said, mark, failed = str(problem), "✘", failed + 1
        print(f"{mark} {name}: {said}  ({time.monotonic() - started:.0f} s)", flush=True)
    return 1 if failed else 0


def _format() -> str:
    done = subprocess.run(
        [terraform.program(), "fmt", "-check", "-recursive", "-diff", str(terraform.INFRA)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise terraform.Failed(f"not formatted (terraform fmt -recursive infra)\n{done.stdout}")
    return "all files"


def _bad_policies() -> str:
    bad = yaml.safe_load((LISTS / "bad_policies.yaml").read_text())
    for one in bad:
        text = json.dumps({"Statement": [{"Effect": "Allow", "Sid": "Bad"} | one["statement"]]})
        said = list(policies.findings(policies.Policy("a role", text, trust=one.get("trust", False))))
        if not any(one["says"] in finding for finding in said):
            raise terraform.Failed(f"{one['statement']}: expected {one['says']!r}, found {said}")
    return f"finds {len(bad)} kinds of mistakes"


def _validate() -> str:
    """Roots alone are validated by themselves: they hold all modules, and each start of the provider takes seconds."""

    def one(folder: Path) -> None:
        terraform.init(folder)
        if folder.parent.name != "modules":
            terraform.run(folder, "validate")

    folders = terraform.folders()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, folders))
    return f"{len(folders)} modules and roots"


def _tests() -> str:
    """Terraform's tests with a mocked AWS; then every policy that they rendered."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(_test, terraform.folders()))
    problems = [problem for problem, _, _ in done if problem]
    resources = [resource for _, _, made in done for resource in made]
    rendered = policies.policies(resources)
    problems += sorted({finding for policy in rendered for finding in policies.findings(policy)})
    problems += _stars(rendered)
    if problems:
        raise terraform.Failed("\n".join(["", *problems]))
    runs = sum(int(summary.split()[1]) for _, summary, _ in done if summary.split()[1].isdigit())
    kinds = len({resource["type"] for resource in resources})
    return f"{runs} runs over {kinds} resource types, {len(rendered)} policies"


def _stars(rendered: list[policies.Policy]) -> list[str]:
    """Each `*` stands in tests/stars.yaml, and nothing else stands there."""
    file = yaml.safe_load((LISTS / "stars.yaml").read_text())
    actions: dict[str, str] = file["actions"]
    statements: dict[str, str] = file["statements"]
    found = {star: policy.of for policy in rendered for star in policies.stars(policy)}
    problems = [
        f"{of}, {sid}: {action} on * stands in no list"
        for (sid, action), of in sorted(found.items())
        if sid not in statements and action not in actions
    ]
    used = {name for star in found for name in star}
    problems += [f"tests/stars.yaml: no policy needs {name}" for name in sorted({*actions, *statements} - used)]
    problems += [
        f"tests/stars.yaml says that {action} has no resource; AWS knows one"
        for action, reason in actions.items()
        if reason.startswith("no resource") and not policies.without_resource(action)
    ]
    return problems


def _test(folder: Path) -> tuple[str, str, list[dict[str, Any]]]:
    try:
        return "", *terraform.run_tests(folder, resources=folder.name in RENDERED)
    except terraform.Failed as failed:
        return str(failed), "Failure! 0", []


def _checkov() -> str:
    allowed: dict[str, dict[str, str]] = yaml.safe_load((LISTS / "checkov.yaml").read_text())
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("checkov")), "--directory", str(terraform.INFRA), "--framework", "terraform",
            "--skip-download", "--quiet", "--compact", "--output", "json", "--skip-path", r"\.terraform|rehearsal",
        ],
        capture_output=True, text=True, check=False, env=os.environ | {"BC_SKIP_MAPPING": "TRUE"},
    )  # fmt: skip
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        raise terraform.Failed(f"checkov said no JSON\n{done.stdout}{done.stderr}") from error
    # The address without the modules around it: module.network.aws_instance.nat → aws_instance.nat
    found = {
        (one["check_id"], re.sub(r"^(?:module\.\w+\.)*", "", one["resource"])): one["check_name"]
        for one in report["results"]["failed_checks"]
    }
    known = {(check, resource) for check, resources in allowed.items() for resource in resources}
    problems = [f"{check} {resource}: {found[check, resource]}" for check, resource in sorted(found.keys() - known)]
    problems += [
        f"tests/checkov.yaml: {check} {resource} finds nothing any more"
        for check, resource in sorted(known - found.keys())
    ]
    if problems:
        raise terraform.Failed("\n".join(["", *problems]))
    return f"{report['summary']['passed']} passed, {len(known)} findings left with their reasons"


if __name__ == "__main__":
    sys.exit(main())
