"""What every part's image keeps to: a base pinned by digest, packages that stand in the SBOM, no pip, no user's rights."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.contracts.images import Image
from tests.contracts.programs import ROOT

SERVICES = {"backend-api": "backend_image", "ml-model-service": "image", "app-updates": "updates_image"}


@pytest.fixture(params=SERVICES)
def service_image(request: pytest.FixtureRequest) -> tuple[str, Image]:
    return request.param, request.getfixturevalue(SERVICES[request.param])


def test_all_images_are_built_on_one_base_by_digest() -> None:
    """A tag moves, a digest does not; parts that differ in their base would be patched one at a time."""
    bases = {
        line.removeprefix("ARG BASE_IMAGE=")
        for dockerfile in ROOT.glob("*/Dockerfile")
        for line in dockerfile.read_text().splitlines()
        if line.startswith("ARG BASE_IMAGE")
    }
    (base,) = bases
    assert re.fullmatch(r"python:3\.11-slim@sha256:[0-9a-f]{64}", base)


def test_installed_packages_stand_in_the_sbom(service_image: tuple[str, Image]) -> None:
    """The SBOM in the image is CycloneDX, and names every package that Python finds there, by its locked version."""
    part, image = service_image
    listed = image.run("/sbom.cdx.json", options=["--entrypoint", "cat"])
    sbom = json.loads(listed.stdout)
    assert ("CycloneDX", "1.5") == (sbom["bomFormat"], sbom["specVersion"])
    found = {component["name"].lower().replace("_", "-"): component["version"] for component in sbom["components"]}
    assert found == {url[len("pkg:pypi/") :].split("@")[0]: url.split("@")[1] for url in _urls(sbom)}
    locked = _locked(ROOT / part / "requirements.lock")
    assert found.items() <= locked
    asked = image.run(
        "-c", "import importlib.metadata as m; print(*(d.name for d in m.distributions()))",
        options=["--entrypoint", "python"],
    )  # fmt: skip
    assert set(found) == {name.lower().replace("_", "-") for name in asked.stdout.split()}
    assert "pip" not in found


def test_image_needs_no_rights(service_image: tuple[str, Image]) -> None:
    """The files belong to root and nobody else may write them, so that a task cannot change what it runs."""
    _, image = service_image
    found = image.run(
        *["/app", "/venv", "(", "-not", "-user", "root", "-o", "-perm", "/022", "-not", "-type", "l", ")"],
        options=["--entrypoint", "find"],
    )
    assert (0, "") == (found.returncode, found.stdout)


def _urls(sbom: dict[str, list[dict[str, str]]]) -> list[str]:
    return [component["purl"] for component in sbom["components"]]


def _locked(lock: Path) -> set[tuple[str, str]]:
    return set(re.findall(r"^([a-z0-9][a-z0-9.-]*)(?:\[[^]]*\])?==([^ ;\\]+)", lock.read_text(), re.MULTILINE))
