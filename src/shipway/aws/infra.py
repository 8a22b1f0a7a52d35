"""`shipway infra`: roots and modules written into an app's repository; Terraform run on them, a saved plan at a time."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shipway import __version__
from shipway.aws.roots import EnvironmentRoot, chosen, files
from shipway.aws.terraform import Terraform
from shipway.core.description.app import App
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.infrastructure import Change, InfraPlan, Infrastructure, Written

FOLDER = "infra"
_RECORD = "shipway.json"
_PLAN = ".terraform/shipway.tfplan"
_STATELESS = "bootstrap"
"""The root that makes the place of the others' states keeps its own beside it."""
_ACTIONS = {("delete", "create"): "replace", ("create", "delete"): "replace"}
_DIFF_LINES = 40

AWS_SECTION = """\
aws:
  account: "123456789012"   # 12 digits, in quotes
  region: us-east-1
  domain: example.com       # public name of prod; the others are below it
  repository: owner/name    # whose pushes start pipelines
  size: {size}"""


class TerraformRoots(Infrastructure):
    """The app in a folder. `app` reads its shipway.yaml, `resize` writes `aws.size` into that.

    `templates` is the `infra/` that came with this Shipway.
    """

    def __init__(
        self, root: Path, app: Callable[[], App], resize: Callable[[str], object], templates: Path, terraform: Terraform
    ) -> None:
        self._folder = root / FOLDER
        self._read_app = app
        self._resize = resize
        self._templates = templates
        self._terraform = terraform

    def init(self, *, size: str | None, like: Mapping[str, str], force: bool) -> Written:
        app = self._app(size)
        if size is not None:
            self._resize(size)
        record = self._record()
        before = {name: EnvironmentRoot(**root) for name, root in record.get("environments", {}).items()}
        roots = chosen(app, like, before)
        wanted = files(self._templates, roots, self._requirement())
        known: dict[str, str] = record.get("files", {})
        written = _Writing(self._folder, known, force)
        for path, text in wanted.items():
            written.put(path, text)
        for path in known.keys() - wanted.keys():
            # A root stays: what it made may still be there, and is taken away by it.
            if path.startswith("modules/"):
                written.take_away(path)
        environments = {name: asdict(root) for name, root in (before | roots).items()}
        content = {"shipway": __version__, "environments": environments, "files": dict(sorted(written.known.items()))}
        _write(self._folder / _RECORD, json.dumps(content, indent=2) + "\n")
        return written.told({name: root.kind for name, root in roots.items()})

    def roots(self) -> tuple[str, ...]:
        environments = sorted(file.parent.name for file in self._folder.glob("environments/*/main.tf"))
        # What others share comes before them, as it is made first; then they in the order of shipway.yaml.
        order = ["shared-nonprod", *self._app().environments]
        environments.sort(key=lambda name: order.index(name) if name in order else len(order))
        once = [name for name in ("bootstrap", "app") if (self._folder / name / "main.tf").is_file()]
        return (*once, *environments)

    def plan(self, root: str, *, destroy: bool = False) -> InfraPlan:
        folder = self._existing(root)
        self._initialise(root, folder)
        (folder / _PLAN).parent.mkdir(exist_ok=True)
        words = ["-destroy"] if destroy else []
        self._terraform.run(
            folder, "plan", "-input=false", "-detailed-exitcode", f"-out={_PLAN}", *words, allowed=(0, 2)
        )
        shown = self._terraform.show(folder, "show", "-json", _PLAN)
        return InfraPlan(root, destroy, tuple(_changes(shown)))

    def apply(self, plan: InfraPlan) -> None:
        folder = self._existing(plan.root)
        self._terraform.run(folder, "apply", "-input=false", _PLAN)
        (folder / _PLAN).unlink(missing_ok=True)
        words = ["-destroy"] if plan.destroys else []
        again = self._terraform.run(
            folder, "plan", "-input=false", "-detailed-exitcode", *words, allowed=(0, 2), quiet=True
        )
        if again == 2:
            command = "destroy" if plan.destroys else "apply"
            raise ShipwayError(
                f"Terraform applied the plan, and a new one still changes something in {plan.root}",
                state="all of the plan was applied",
                fix=f"shipway infra plan {plan.root} shows what; shipway infra {command} {plan.root} does it",
            )

    def _existing(self, root: str) -> Path:
        there = self.roots()
        if root not in there:
            if root in self._app().environments or not there:
                raise UsageError(f"there is no root {root} in {FOLDER}/", fix="shipway infra init writes it")
            raise UsageError(f"no root {root!r}; there is: {', '.join(there)}", fix="name one of them")
        version = self._record().get("shipway", __version__)
        if version != __version__:
            raise Refused(
                f"{FOLDER}/ was written by Shipway {version}, and this is {__version__}",
                state="nothing was planned",
                fix="shipway infra init renews what nobody edited; or go on with the Shipway that wrote it",
            )
        once = self._folder / root
        return once if (once / "main.tf").is_file() else self._folder / "environments" / root

    def _initialise(self, root: str, folder: Path) -> None:
        words = [] if root == _STATELESS else [f"-backend-config={name}={value}" for name, value in self._backend(root)]
        self._terraform.run(folder, "init", "-input=false", *words, quiet=True)

    def _backend(self, root: str) -> list[tuple[str, str]]:
        """Where the root's state lies: names that `bootstrap` gives as well (modules/description, `names.state`)."""
        app = self._app()
        assert app.aws is not None
        key = f"arn:aws:kms:{app.aws.region}:{app.aws.account}:alias/{app.app}-terraform-state"
        return [
            ("bucket", f"{app.app}-{app.aws.account}-terraform-state"),
            ("key", f"{root}.tfstate"),
            ("region", app.aws.region),
            ("kms_key_id", key),
        ]

    def _app(self, size: str | None = None) -> App:
        app = self._read_app()
        if app.aws is None:
            lines = AWS_SECTION.format(size=size or "minimal")
            raise UsageError(
                "shipway.yaml has no aws: section, so it is not known where on AWS the app lives",
                fix=f"add these lines with your own values, then commit them:\n{lines}",
            )
        return app

    def _requirement(self) -> str:
        """Shipway's own repository installs what lies in it; every other app the version that wrote its infra/."""
        return ".[aws]" if self._templates == self._folder else f"shipway[aws]=={__version__}"

    def _record(self) -> dict[str, Any]:
        path = self._folder / _RECORD
        try:
            content = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise UsageError(
                f"{FOLDER}/{_RECORD} is damaged ({error})", fix=f"git checkout -- {FOLDER}/{_RECORD}"
            ) from error
        return dict(content)


class _Writing:
    """Files of `infra/`, written where nobody edited them."""

    def __init__(self, folder: Path, known: Mapping[str, str], force: bool) -> None:
        self._folder = folder
        self._force = force
        self.known = dict(known)
        self._new: list[str] = []
        self._renewed: list[str] = []
        self._removed: list[str] = []
        self._edited: dict[str, str] = {}
        self._same = 0

    def put(self, path: str, text: str) -> None:
        """Write the file, unless somebody edited it; then keep the difference."""
        file = self._folder / path
        before = file.read_text() if file.exists() else None
        if before == text:
            self._same += 1
        elif before is None or self._force or self.known.get(path) == _digest(before):
            _write(file, text)
            (self._new if before is None else self._renewed).append(f"{FOLDER}/{path}")
        else:
            self._edited[f"{FOLDER}/{path}"] = _diff(path, before, text)
            return
        self.known[path] = _digest(text)

    def take_away(self, path: str) -> None:
        """Remove what is not needed any more, unless somebody edited it."""
        file = self._folder / path
        if file.exists() and not self._force and _digest(file.read_text()) != self.known[path]:
            self._edited[f"{FOLDER}/{path}"] = "not needed any more"
            return
        file.unlink(missing_ok=True)
        del self.known[path]
        self._removed.append(f"{FOLDER}/{path}")

    def told(self, tiers: Mapping[str, str]) -> Written:
        """What was done."""
        return Written(
            tuple(self._new), tuple(self._renewed), tuple(self._removed), self._edited, self._same, tiers
        )  # fmt: skip


def _changes(plan: Mapping[str, Any]) -> list[Change]:
    found = []
    for change in plan.get("resource_changes", ()):
        actions = tuple(change["change"]["actions"])
        if actions not in (("no-op",), ("read",)):
            found.append(Change(change["address"], _ACTIONS.get(actions, actions[0])))
    return found


def _diff(path: str, before: str, after: str) -> str:
    lines = list(
        difflib.unified_diff(
            before.splitlines(), after.splitlines(), f"yours/{path}", f"shipway/{path}", lineterm="", n=1
        )
    )
    more = [f"… {len(lines) - _DIFF_LINES} more lines"] if len(lines) > _DIFF_LINES else []
    return "\n".join([*lines[:_DIFF_LINES], *more])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(file: Path, text: str) -> None:
    """Whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text)
    beside.replace(file)
