"""`make infra-test`: format, validity, Terraform's own tests, rendered policies, checkov. Nothing here needs an account.

What Terraform rendered is kept in the file that RENDERED names: infra/tests/rendered compares it with what else knows the
same names and requests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from tools import cost, policies, report, terraform

LISTS = terraform.INFRA / "tests"
AT_ONCE = 2
# Together these make every resource type, and render every policy as it will be.
RENDERED = ("bootstrap", "app", "dev", "stage", "prod", "cdn", "edge", "network", "pipeline")
OTHER_APP = LISTS / "other_app.yaml"
OTHERS_VARIABLES = {
    "app": {
        "people": {role: ["arn:aws:iam::210987654321:role/team"] for role in ("deployer", "approver", "model-owner")},
        "subscribers": ["team@delays.example"],
    },
    "production": {"subscribers": {area: ["team@delays.example"] for area in ("api", "model", "infrastructure")}},
}

Rendered = dict[str, list[dict[str, Any]]]
"""A root or module, `other/` before those of the other app → the resources that its test runs made."""


def main() -> int:
    """Runs the steps; says what failed, in full, at its end."""
    rendered: Rendered = {}
    steps: list[tuple[str, Callable[[], str]]] = [
        ("format", _format),
        ("the policy check itself", _bad_policies),
        ("init and validate", _validate),
        ("tests", lambda: _tests(rendered)),
        ("another app", lambda: _another_app(rendered)),
        ("resources, policies", lambda: _policies(rendered)),
        ("pages", _pages),
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
    if place := os.environ.get("RENDERED"):
        Path(place).write_text(json.dumps(rendered))
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


def _tests(rendered: Rendered) -> str:
    """Terraform's tests with a mocked AWS."""
    folders = terraform.folders()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(_test, folders))
    if problems := [problem for problem, _, _ in done if problem]:
        raise terraform.Failed("\n".join(["", *problems]))
    rendered.update({folder.name: made for folder, (_, _, made) in zip(folders, done, strict=True) if made})
    runs = sum(int(summary.split()[1]) for _, summary, _ in done if summary.split()[1].isdigit())
    return f"{runs} runs in {len(folders)} modules and roots"


def _another_app(rendered: Rendered) -> str:
    """`shipway infra init` in an app of another kind; each root is then made with a mocked AWS."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copy(OTHER_APP, folder / "shipway.yaml")
        shipway = os.environ.get("SHIPWAY", "shipway")
        done = subprocess.run(
            [shipway, "--target", "aws", "infra", "init", "--json"], cwd=folder, capture_output=True, text=True, check=False
        )  # fmt: skip
        if done.returncode != 0:
            raise terraform.Failed(f"shipway infra init\n{done.stderr}")
        roots = [folder / "infra/bootstrap", folder / "infra/app", *sorted((folder / "infra/environments").iterdir())]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            made = list(pool.map(_mocked, roots))
    rendered.update({f"other/{root.name}": resources for root, resources in zip(roots, made, strict=True)})
    return f"{len(json.loads(done.stdout)['new'])} files written, {', '.join(root.name for root in roots)} made of them"


def _mocked(root: Path) -> list[dict[str, Any]]:
    given = "".join(f"  {name} = {json.dumps(value)}\n" for name, value in OTHERS_VARIABLES.get(root.name, {}).items())
    (root / "all.tftest.hcl").write_text(
        f'mock_provider "aws" {{\n  source = "{LISTS / "mock"}"\n}}\nvariables {{\n{given}}}\n'
        'run "all" {\n  command = apply\n}\n'
    )
    terraform.init(root)
    return terraform.run_tests(root, resources=True)[1]


def _policies(rendered: Rendered) -> str:
    """Every policy against AWS's own data; every resource type in the code was made in some run."""
    resources = [resource for made in rendered.values() for resource in made]
    found = policies.policies(resources)
    problems = sorted({finding for policy in found for finding in policies.findings(policy)})
    problems += _stars(found)
    kinds = {resource["type"] for resource in resources}
    problems += [f"{kind} is made in no test run" for kind in sorted(report.types(terraform.INFRA) - kinds)]
    if problems:
        raise terraform.Failed("\n".join(["", *problems]))
    return f"{len(found)} policies, {len(kinds)} resource types"


def _pages() -> str:
    """docs/aws/rehearsed.md is what was seen, docs/aws/costs.md what the prices and sizes come to."""
    prices = yaml.safe_load((terraform.INFRA / "cost" / "prices.yaml").read_text())
    made = {
        report.PAGE: (report.page(report.load(), report.types(terraform.INFRA)), "python -m tools.report, in infra/"),
        cost.PAGE: (cost.render(cost.settings(), prices), "make infra-cost"),
    }
    if old := [f"{page.name} is out of date: {fix}" for page, (text, fix) in made.items() if page.read_text() != text]:
        raise terraform.Failed("\n".join(["", *old]))
    return ", ".join(page.name for page in made)


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
