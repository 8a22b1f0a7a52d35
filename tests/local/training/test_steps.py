"""Steps of trainings as processes: kept by what goes into them, adopted, confined, bounded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shipway.core.daemon.disk import Item
from shipway.core.errors import ShipwayError
from shipway.core.releases.release import Artifact
from shipway.core.training.steps import Input, StepDone, StepOrder
from shipway.local.builds.address import Address
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.state.storage import Storage
from shipway.local.tasks.process_table import session_members, started_at
from shipway.local.training import layout, steps
from shipway.local.training.layout import Shelves, made_of, order_digest
from shipway.local.training.steps import LocalSteps
from tests.waiting import wait_for

PROGRAM = """
import json, os, pathlib, sys, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
step, *options = sys.argv[1:]
asked = dict(zip(options[::2], options[1::2]))
out = base / "processing" / "output" / "report"
print("began", flush=True)
if step == "fail":
    (base / "output" / "message").write_text("WrongData: line 4: found many")
    sys.exit(1)
if step == "peep":
    sys.exit(0 if pathlib.Path(asked["--at"]).exists() else 3)
if step == "train":
    given = json.loads((base / "input" / "config" / "hyperparameters.json").read_text())
    rows = (base / "input" / "data" / "training" / "2013-01" / "rows.csv").read_text()
    checkpoint = base / "checkpoints" / "at"
    before = checkpoint.read_text() if checkpoint.exists() else "nothing"
    checkpoint.write_text("half")
    while before == "nothing" and given.get("wait") == "1":
        time.sleep(0.02)
    (base / "model" / "model.txt").write_text(rows + before)
    sys.exit(0)
while asked.get("--wait") == "1" and not (base / "go").exists():
    time.sleep(0.02)
out.mkdir()
with open(base / "starts", "a") as starts:
    starts.write("x")
files = sorted(path for path in (base / "processing" / "input").rglob("*") if path.is_file())
content = {path.relative_to(base / "processing" / "input").as_posix(): path.read_text() for path in files}
(out / "report.json").write_text(json.dumps(content))
"""
NOBODY: list[int] = []


def silently(line: str) -> None:
    pass


class Bench:
    """A folder with a program, a bucket of data, and whatever runs steps there."""

    def __init__(self, folder: Path, confinement: Confinement | None = None) -> None:
        self.folder = folder
        tree = folder / "tree"
        (tree / "src").mkdir(parents=True, exist_ok=True)
        (tree / "src" / "program.py").write_text(PROGRAM)
        self.artifact = Artifact("training", "a" * 64, Address(str(tree)).text())
        self.confinement = confinement or Confinement(folder)
        for month in ("2013-01", "2013-02"):
            self.data("rows", month, f"{month}\n")

    @property
    def steps(self) -> LocalSteps:
        """As a control plane has them that has just begun."""
        environments = PythonEnvironments(self.folder / "environments")
        return LocalSteps(self.folder / "steps", self.folder, self.folder / "versions", environments, self.confinement)

    def data(self, table: str, month: str, text: str) -> None:
        file = self.folder / "data" / table / month / "rows.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def order(self, name: str = "report", timeout: float = 60.0, **options: str) -> StepOrder:
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        inputs = {"rows": Input("data", "rows", months=("2013-01", "2013-02"))}
        return StepOrder(name, self.artifact, "python -m program", inputs, "data", tuple(words), timeout=timeout)

    def train(self, **parameters: str) -> StepOrder:
        inputs = {"training": Input("data", "rows", months=("2013-01",))}
        return StepOrder("train", self.artifact, "python -m program", inputs, "data", hyperparameters=parameters)

    def run(self, order: StepOrder) -> StepDone:
        return self.steps.run(order, silently)

    def place(self, done: StepDone) -> Path:
        return self.folder / "steps" / done.digest

    def only(self) -> Path:
        """The folder of the one step."""
        (place,) = (path for path in (self.folder / "steps").iterdir() if path.is_dir())
        return place


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.steps.stop()


def report(bench: Bench, done: StepDone) -> Mapping[str, Any]:
    return bench.steps.read(done, "processing/output/report/report.json")


def test_a_step_reads_copies_and_leaves_its_result(bench: Bench) -> None:
    """Data by month, results of steps, versions and documents are laid out by channel; results are digested."""
    (bench.folder / "versions" / "v1.0").mkdir(parents=True)
    (bench.folder / "versions" / "v1.0" / "metadata.json").write_text("{}")
    first = bench.run(bench.order())
    assert {"rows/2013-01/rows.csv": "2013-01\n", "rows/2013-02/rows.csv": "2013-02\n"} == report(bench, first)
    inputs = {
        "before": Input("step", first.digest, "processing/output/report"),
        "champion": Input("version", "v1.0"),
        "lineage": Input("document", part="lineage.json", text='{"run": "1"}'),
    }
    second = bench.run(StepOrder("report", bench.artifact, "python -m program", inputs, "data"))
    assert {"before/report.json", "champion/metadata.json", "lineage/lineage.json"} == set(report(bench, second))
    assert {"processing/output/report/report.json"} == set(second.outputs)
    assert bench.steps.folder(second, "processing/output/report").endswith("report")
    assert not (bench.place(second) / "ml" / "processing" / "input").exists()


def test_a_result_is_used_again_while_it_is_whole(bench: Bench) -> None:
    """The same order finds it; other data, words or code do not; a file that was touched is made again."""
    done = bench.run(bench.order())
    again = bench.run(bench.order())
    assert (False, True, done.digest) == (done.reused, again.reused, again.digest)
    assert done.digest != bench.run(bench.order(level="2")).digest
    bench.data("rows", "2013-02", "other\n")
    assert done.digest != bench.run(bench.order()).digest
    bench.data("rows", "2013-02", "2013-02\n")
    (bench.place(done) / "ml" / "processing" / "output" / "report" / "report.json").write_text("{}")
    assert not bench.run(bench.order()).reused
    (bench.place(done) / "ml" / "processing" / "output" / "report" / "report.json").unlink()
    remade = bench.run(bench.order())
    assert (False, done.outputs) == (remade.reused, remade.outputs)
    (bench.place(done) / "done.json").write_text('{"outputs": ')
    assert not bench.run(bench.order()).reused


def test_a_step_that_fails_says_why_in_its_own_words(bench: Bench) -> None:
    """Its message, without the error's kind; its folder holds the log, and the next order tries it again."""
    for _ in range(2):
        with pytest.raises(ShipwayError, match=r"^fail failed: line 4: found many$") as failed:
            bench.run(bench.order("fail"))
    assert str(bench.only() / "log") in failed.value.fix
    broken = StepOrder("report", bench.artifact, "python -m nothing", {}, "data")
    with pytest.raises(ShipwayError, match="No module named nothing"):
        bench.run(broken)


def test_a_step_that_takes_too_long_is_ended(bench: Bench) -> None:
    """With all that it started."""
    with pytest.raises(ShipwayError, match="report was not done within 0 s and was ended"):
        bench.run(bench.order(wait="1", timeout=0.3))
    assert NOBODY == alive(bench.only())


def test_two_that_want_the_same_step_share_it(bench: Bench) -> None:
    """The second waits for the first, and finds its result."""
    told: list[str] = []
    order = bench.order(wait="1")
    done: list[StepDone] = []
    others = [threading.Thread(target=lambda: done.append(bench.steps.run(order, told.append))) for _ in range(2)]
    for other in others:
        other.start()
    wait_for(lambda: "it runs already; waiting for it" in told and "began" in told)
    (bench.only() / "ml" / "go").touch()
    for other in others:
        other.join(30)
    assert [False, True] == sorted(one.reused for one in done)
    assert "x" == (bench.only() / "ml" / "starts").read_text()


def alive(place: Path) -> list[int]:
    """The processes of the step's session."""
    pid, started = (place / "leader").read_text().split()
    return [*session_members(int(pid), float(started))]


STARTER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.local.training.test_steps import Bench
bench = Bench(Path(sys.argv[1]))
bench.run(bench.train(wait="1") if sys.argv[3] == "train" else bench.order(wait="1"))
"""


def killed_while_it_runs(bench: Bench, step: str) -> Path:
    """The folder of a step whose control plane was killed with SIGKILL while it runs."""
    root = str(Path(__file__).parents[3])
    plane = subprocess.Popen([sys.executable, "-c", STARTER, str(bench.folder), root, step])
    try:
        wait_for(lambda: [*(bench.folder / "steps").glob("*/log")] and "began" in (bench.only() / "log").read_text())
    finally:
        plane.kill()
        plane.wait()
    return bench.only()


def test_a_step_that_outlived_its_control_plane_is_adopted(bench: Bench) -> None:
    """The next one waits for it instead of starting it again, and its result counts."""
    place = killed_while_it_runs(bench, "report")
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        (place / "ml" / "go").touch()

    done = bench.steps.run(bench.order(wait="1"), tell)
    assert ["it runs already; waiting for it"] == told
    assert (place.name, "x") == (done.digest, (place / "ml" / "starts").read_text())
    assert bench.run(bench.order(wait="1")).reused


def test_a_step_that_was_killed_with_its_control_plane_goes_on_from_its_checkpoint(bench: Bench) -> None:
    """Its folder is laid out anew, but for the checkpoints."""
    place = killed_while_it_runs(bench, "train")
    wait_for(
        lambda: (place / "ml" / "checkpoints" / "at").exists() and (place / "ml" / "checkpoints" / "at").read_text()
    )
    for pid in alive(place):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(place))
    done = bench.run(bench.train(wait="1"))
    assert "2013-01\nhalf" == (place / "ml" / "model" / "model.txt").read_text()
    assert {"model/model.txt"} == set(done.outputs)


def test_a_program_whose_launcher_was_killed_does_not_run_beside_its_successor(bench: Bench) -> None:
    """What holds the lock is gone, and what it started is ended first."""
    place = killed_while_it_runs(bench, "report")
    launcher, left = sorted(alive(place))
    os.kill(launcher, signal.SIGKILL)
    thread = threading.Thread(target=bench.run, args=(bench.order(wait="1"),))
    thread.start()
    wait_for(lambda: started_at(left) is None)
    wait_for(lambda: str(launcher) not in (place / "leader").read_text() and alive(place))
    (place / "ml" / "go").touch()
    thread.join(30)
    assert "x" == (place / "ml" / "starts").read_text()


def test_stopping_ends_what_runs(bench: Bench) -> None:
    """When everything stops, so do the steps."""
    place = killed_while_it_runs(bench, "report")
    bench.steps.stop()
    assert NOBODY == alive(place)


def test_data_that_changes_while_it_is_copied_is_not_used(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result would be named by what it is not made of."""

    def changed_meanwhile(*given: Any) -> None:
        layout.lay_out(*given)
        bench.data("rows", "2013-01", "newer")

    monkeypatch.setattr(steps, "lay_out", changed_meanwhile)
    with pytest.raises(ShipwayError, match="what report reads changed while it was copied"):
        bench.run(bench.order())


def test_months_are_those_that_every_table_has(bench: Bench) -> None:
    """A month of which one table is missing or empty is none; other folders are passed over."""
    bench.data("names", "2013-02", "x")
    bench.data("names", "2013-03", "x")
    bench.data("names", "drafts", "x")
    (bench.folder / "data" / "names" / "2013-01").mkdir()
    (bench.folder / "data" / "names" / "2013-01" / ".part").write_text("x")
    assert ["2013-02"] == [*bench.steps.months("data", ("rows", "names"))]
    assert ["2013-01", "2013-02"] == [*bench.steps.months("data", ("rows",))]
    assert [] == [*bench.steps.months("data", ("nothing", "rows"))]


def test_a_commit_s_program_reaches_nothing_else(tmp_path: Path) -> None:
    """Nobody has approved it: it sees its own folder, and not the app's state or the bucket it was given data of."""
    confinement = Confinement.of_machine(tmp_path)
    if not confinement.works:
        pytest.skip(confinement.why_not)
    bench = Bench(tmp_path, confinement)
    assert {"rows/2013-01/rows.csv", "rows/2013-02/rows.csv"} == set(report(bench, bench.run(bench.order())))
    with pytest.raises(ShipwayError, match="peep failed"):
        bench.run(bench.order("peep", at=str(tmp_path / "data")))


def test_a_result_is_removed_by_its_age_unless_it_runs(bench: Bench) -> None:
    """As artifacts are: by whoever holds the lock beside it."""
    place = killed_while_it_runs(bench, "report")
    storage = Storage(bench.folder)
    item = Item("training", str(place), 0, 0.0)
    assert not storage.remove(item)
    bench.steps.stop()
    assert storage.remove(item)
    assert not place.exists()


@pytest.mark.parametrize("table", ["rows", "program", "options", "parameters"])
def test_a_table_s_name_hides_nothing(bench: Bench, table: str) -> None:
    """Other options or other data make another result, whatever the table is called."""
    bench.data(table, "2013-01", "1\n")

    def digest(*options: str) -> str:
        inputs = {table: Input("data", table, months=("2013-01",))}
        order = StepOrder("prepare", bench.artifact, "python -m program", inputs, "data", options)
        channels = {table: Shelves(bench.folder / "data", bench.folder, bench.folder).channel(inputs[table])}
        return order_digest(order, made_of(order, channels))

    digests = [digest(), digest("--from", "2013-01")]
    bench.data(table, "2013-01", "2\n")
    assert 3 == len({*digests, digest()})


def test_done_json_says_what_it_is_of(bench: Bench) -> None:
    """For whoever finds the folder."""
    done = bench.run(bench.order())
    written = json.loads((bench.place(done) / "done.json").read_text())
    assert ("report", "a" * 64, dict(done.outputs)) == (written["step"], written["artifact"], written["outputs"])


def test_a_full_disk_at_any_write_leaves_nothing_half(bench: Bench, tmp_path: Path) -> None:
    """With one page more at each attempt a step fails, says so and leaves no result, until there is room for all of it."""
    unshared = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run(
        [*unshared, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    ).returncode:
        pytest.skip("no namespace with a disk of its own can be made here")
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        [*unshared, sys.executable, "-m", "tests.local.training.full_disk", str(disk)],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    found = json.loads(done.stdout)
    assert (dict(bench.run(bench.order()).outputs), True) == (found["outputs"], found["reused"])
    assert found["failed"] >= 5
