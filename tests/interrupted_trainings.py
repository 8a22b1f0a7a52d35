"""Kills daemon, step, or both with SIGKILL at every step of real trainings: `make interrupted-trainings`.

Each must end as the undisturbed one did: the same digests of every step, the same model, which is therefore the same
version; steps that were done are not repeated, and a step that outlived its daemon is not started again. Prints a line
for each moment; the exit code is 1 when one of them fails. 18 trainings on three months: 10 minutes on two free cores.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.tasks.process_table import send, session_members
from tests.e2e.conftest import Shipway
from tests.waiting import wait_for

ROOT = Path(__file__).parents[1]
STEPS = ("prepare", "tune", "train", "evaluate", "bias", "package")
VICTIMS = ("daemon", "step", "both")
# printed when it is in the middle of its work
BEGUN = {"tune": "trial ", "train": "20 trees"}
# never the same twice: times, and the run's number in the package
OWN = ("latency/latency.json", "package/metadata.json")
PATIENCE = 600.0


class Lab:
    """An app with the example's training, and three months of its data."""

    def __init__(self, folder: Path) -> None:
        self.app = Shipway(folder)
        training = yaml.safe_load((ROOT / "shipway.yaml").read_text())["model"]["training"]
        for part in ("training", *training.get("include", [])):
            copied(part, folder)
        keys = ("include", "tables", "facets", "group_variable")
        self.app.description["model"] = {
            "name": "ontime-delay",
            "training": {
                **{key: training[key] for key in keys if key in training},
                "parameters": {"rounds": 60, "block": 20},
                "tuning": {"space": {"leaves": {"min": 7, "max": 63}}, "months": 1, "trials": 4},
                "gate": {"max_calibration_error": 100},
            },
        }
        self.app.description["services"]["hello"]["model"] = True
        self.app.commit("train")
        self.steps = folder / ".shipway" / "training"
        (folder / ".shipway").mkdir()
        (folder / ".shipway" / "environments").symlink_to(ROOT / ".venv" / "parts")
        seeded(folder / ".shipway" / "training-data-bucket")

    def start(self, *words: str) -> str:
        """A training: its run's number."""
        return str(self.app.json("train", "--detach", *words)["run"]["id"])

    def ended(self, run: str) -> Any:
        """What a training came to."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.app.json("train", "show", run))["run"]["live"]:
            if time.monotonic() > deadline:
                raise AssertionError(f"run {run} has not ended: {found['run']['stage']}")
            time.sleep(0.2)
        return found

    def folder(self, step: str, wanted: dict[str, str]) -> Path | None:
        """The step's folder, once it runs: named as in the undisturbed training; the package's is another each time."""
        known = {self.steps / digest for name, digest in wanted.items() if name != "package"}
        there = {path.parent for path in self.steps.glob("*/leader")}
        found = there & {self.steps / wanted[step]} if step != "package" else there - known
        return next(iter(found), None)

    def forget(self) -> None:
        """The next training finds nothing done."""
        for path in self.steps.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="shipway-interrupted-") as folder:
        lab = Lab(Path(folder) / "app")
        lab.app.up()
        try:
            return campaign(lab)
        finally:
            lab.app.run("down", "--yes", expect=None)


def campaign(lab: Lab) -> int:
    whole = lab.ended(lab.start())
    if whole["run"]["status"] != "succeeded":
        print(f"the undisturbed training: {whole['run']['reason']}")
        return 1
    wanted = {step["name"]: step["digest"] for step in whole["training"]["steps"]}
    print(f"undisturbed: {whole['training']['version']}, {', '.join(wanted)}", flush=True)
    failures = 0
    for step in STEPS:
        for victim in VICTIMS:
            lab.forget()
            began = time.monotonic()
            said = "; ".join(interrupted(lab, whole, wanted, step, victim)) or "the same"
            failures += said != "the same"
            print(f"{victim:6} killed at {step:8}: {said} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{failures} of {len(STEPS) * len(VICTIMS)} moments failed")
    return 1 if failures else 0


def interrupted(lab: Lab, whole: Any, wanted: dict[str, str], step: str, victim: str) -> list[str]:
    """What differs from the undisturbed training."""
    run = lab.start()
    place = at_work(lab, step, wanted)
    leader = (place / "leader").read_text()
    done = {path: path.stat().st_mtime_ns for path in lab.steps.glob("*/done.json")}
    if victim in ("daemon", "both"):
        lab.app.kill_daemon()
    if victim in ("step", "both"):
        pid, started = leader.split()
        for member in session_members(int(pid), float(started)):
            send(member, signal.SIGKILL)
    if victim == "step":
        assert lab.ended(run)["run"]["status"] == "failed"
        run = lab.start("--resume", run)
    else:
        lab.app.up()
    found = lab.ended(run)

    wrong = []
    if found["run"]["status"] != "succeeded":
        return [f"{found['run']['status']}: {found['run']['reason']}"]
    if found["training"]["version"] != whole["training"]["version"]:
        wrong.append(f"made {found['training']['version']}, another model")
    steps = {one["name"]: one for one in found["training"]["steps"]}
    for one in whole["training"]["steps"]:
        if one["name"] != "package" and steps[one["name"]]["digest"] != one["digest"]:
            wrong.append(f"{one['name']} has another digest")
        if same(steps[one["name"]]["outputs"]) != same(one["outputs"]):
            wrong.append(f"{one['name']} has other results")
    wrong += [f"{path.parent.name[:6]} was repeated" for path in done if path.stat().st_mtime_ns != done[path]]
    if victim == "daemon" and (place / "leader").read_text() != leader:
        wrong.append(f"{step} was started again though it ran")
    return wrong


def at_work(lab: Lab, step: str, wanted: dict[str, str]) -> Path:
    """The step's folder, once it is in the middle of its work."""

    def begun() -> Path | None:
        found = lab.folder(step, wanted)
        return found if found is not None and BEGUN.get(step, "") in (found / "log").read_text() else None

    return wait_for(begun, f"{step} at work", seconds=PATIENCE)


def same(outputs: dict[str, str]) -> dict[str, str]:
    """Those that must not differ."""
    return {name: digest for name, digest in outputs.items() if not name.endswith(OWN)}


def copied(part: str, folder: Path) -> None:
    """The committed files of a folder, links as links."""
    listed = subprocess.run(["git", "ls-files", part], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)


def seeded(bucket: Path) -> None:
    """January to March of the example's data."""
    environments = PythonEnvironments(ROOT / ".venv" / "parts")
    lock = (ROOT / "training" / "requirements.lock").read_bytes()
    made = environments.ensure(lock, "training", lambda line: print(line, flush=True))
    variables = {**os.environ, **environments.variables(made.path, str(ROOT / "training"))}
    command = [f"{made.path}/bin/python", "-m", "training.seed_bucket", "--bucket", str(bucket), "--until", "2013-03"]
    subprocess.run(command, env=variables, check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
