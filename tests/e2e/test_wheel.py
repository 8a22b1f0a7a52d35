"""Shipway as people install it: from its wheel, far from the checkout. What publishing runs comes along."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import uv

from tests.e2e.conftest import Shipway
from tests.model_example import write_example

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
CONTRACT, LINK = "src/shipway/core/contract", "ml-model-service/src/ml_model_service/contract"


def run(*command: str | Path) -> str:
    """What the command prints; it runs in the checkout and must go well."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without the network, by the locked tools of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--wheel", "--no-build-isolation", "--offline", "--python", sys.executable, "--out-dir", folder]
    run(uv.find_uv_bin(), "build", "--quiet", *options)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and what it depends on, and nothing else."""
    place = tmp_path_factory.mktemp("installed") / "environment"
    interpreter = place / "bin" / "python"
    run(uv.find_uv_bin(), "venv", "--quiet", "--python", sys.executable, place)
    run(uv.find_uv_bin(), "pip", "sync", "--quiet", "--require-hashes", "--python", interpreter, "requirements.lock")
    run(uv.find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--python", interpreter, wheel)
    assert f"{place}/" in run(interpreter, "-I", "-c", "import shipway; print(shipway.__file__)")
    return interpreter


def test_the_wheel_holds_the_programs_as_they_are(wheel: Path) -> None:
    """Byte by byte: publishing reads with the model server's own code, and under the lock that it is deployed with."""
    with zipfile.ZipFile(wheel) as content:
        names = [name.removeprefix("shipway/programs/") for name in content.namelist() if "/programs/" in name]
        packed = {name: content.read(f"shipway/programs/{name}") for name in names}
    parts = ("model-packaging", "model-monitoring", "offline-features", "mlflow-export", "ml-model-service")
    wanted = [path for part in parts for path in (f"{part}/src", f"{part}/requirements.lock")]
    files = {name: ROOT / name for name in run("git", "ls-files", *wanted).splitlines()}
    del files[LINK]
    files |= {f"{LINK}/{Path(name).name}": ROOT / name for name in run("git", "ls-files", CONTRACT).splitlines()}
    assert {"ml-model-service/src/ml_model_service/check.py", "model-packaging/requirements.lock"} <= set(files)
    assert [] == [name for name, file in files.items() if packed.get(name) != file.read_bytes()]
    assert [] == [name for name in names if not name.startswith(tuple(wanted))]


def test_the_wheel_holds_what_infra_init_writes(wheel: Path) -> None:
    """Terraform's roots and modules as they are, without their tests."""
    with zipfile.ZipFile(wheel) as content:
        packed = {
            name.removeprefix("shipway/infra/"): content.read(name)
            for name in content.namelist()
            if name.startswith("shipway/infra/")
        }
    listed = run("git", "ls-files", *(f"infra/{part}" for part in ("bootstrap", "app", "environments", "modules")))
    wanted = {name.removeprefix("infra/") for name in listed.splitlines() if "/tests/" not in name}
    assert {"modules/edge/waf.tf", "environments/shared-nonprod/main.tf"} < wanted
    assert {name: (ROOT / "infra" / name).read_bytes() for name in wanted} == packed


@pytest.mark.lengthy
def test_a_model_is_published(shipway: Shipway, tmp_path: Path) -> None:
    """By the command line in an empty folder: the program makes golden requests, the model server's code reads."""
    shipway.description["model"] = {"name": "delays"}
    shipway.description["services"]["hello"]["model"] = True
    shipway.commit("an app with a model")
    folder = write_example(tmp_path / "trained")
    document = json.loads((folder / "metadata.json").read_text())
    del document["golden"]
    (folder / "metadata.json").write_text(json.dumps(document))
    try:
        shipway.up()
        told = shipway.run("model", "publish", str(folder), timeout=300)
        assert "v1.0" in told.stdout
        assert "golden requests" in told.stdout + told.stderr
        assert ["v1.0"] == [model["version"] for model in shipway.json("model", "list")["models"]]
        golden = shipway.json("model", "show", "v1.0")["metadata"]["golden"]
        assert {0.25, 0.75} == {round(entry["prediction"], 9) for entry in golden}
        assert 2 == len(list((shipway.root / ".shipway" / "environments").glob("*/.complete")))
    finally:
        shutil.rmtree(shipway.root / ".shipway" / "environments", ignore_errors=True)
