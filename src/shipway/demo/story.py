"""The shape of an app's `demo/story.yaml`: what to copy, which models to train, what to ask, which commits to make, what to replay."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from shipway.core.errors import UsageError
from shipway.core.training.windows import MONTH
from shipway.demo.question import Question, read_question

STORY = "demo/story.yaml"
MAX_BYTES = 1 << 20

Line = Annotated[str, Field(min_length=1, max_length=500)]


def _inside(path: str) -> str:
    if not path or path.startswith("/") or ".." in Path(path).parts or "\0" in path:
        raise ValueError("expected a path inside the repository")
    return path


Inside = Annotated[str, AfterValidator(_inside)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LoadPolicy(_Strict):
    """The steady load on the environment."""

    rate: float = Field(default=100, gt=0, le=2000, description="requests a second")
    devices: int = Field(default=400, ge=1, le=10_000)


class FleetPolicy(_Strict):
    """Simulated devices with the app, where the environment serves one: they open it, and run the bundles they are given."""

    devices: int = Field(ge=1, le=10_000)
    rate: float = Field(default=50, gt=0, le=500, description="how often one of them opens the app, a second")


class Training(_Strict):
    """How the model versions are made. `{python}` and `{output}` are filled in; the command runs in `folder`."""

    folder: Inside
    lock: Inside
    source: str = Field(default="src", description="folder below `folder` that PYTHONPATH names")
    versions: dict[Annotated[str, Field(pattern=r"^v\d+\.\d+$")], Line] = Field(min_length=1, max_length=5)


class StoryStep(_Strict):
    """One step: the app as it is, a commit made from a patch, the promotion of a model version, or a rollback."""

    name: Line
    tell: Line
    patch: Inside | None = None
    commit: Line | None = Field(default=None, description="subject of the commit; needs `patch`")
    model: str | None = None
    rollback: bool = Field(default=False, description="back to the release before, while its bundle is on its way")
    bundle: Literal["out", "back"] | None = Field(
        default=None, description="what becomes of the release's bundle: every device runs it in the end, or none"
    )
    kill_daemon: bool = Field(default=False, description="kill -9 while the first clients meet the candidate")
    ends: Literal["promoted", "rolled_back"] = "promoted"
    candidate_may_fail: bool = Field(default=False, description="requests of the candidate's cohort may fail")
    shows: dict[str, JsonValue] = Field(default={}, description="what an answer holds afterwards, as in `expect`")

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if sum((self.patch is not None, self.model is not None, self.rollback)) > 1:
            raise ValueError("a step has a patch or a model or is a rollback, one of them")
        if bool(self.patch) != bool(self.commit):
            raise ValueError("patch and commit belong together")
        if self.candidate_may_fail and self.ends != "rolled_back":
            raise ValueError("candidate_may_fail belongs to a step that ends rolled_back")
        if self.bundle and not self.patch:
            raise ValueError("bundle belongs to a step with a patch")
        return self

    @property
    def is_reverted(self) -> bool:
        """Whether its commit is taken back by another one afterwards."""
        return self.ends == "rolled_back" or self.bundle == "back"


class Months(_Strict):
    """A chapter after the steps, when the steady load has ended: `shipway replay` of past months of the app."""

    name: Line
    tell: Line
    begin: Annotated[str, Field(pattern=MONTH.pattern)] = Field(alias="from")
    end: Annotated[str, Field(pattern=MONTH.pattern)] = Field(alias="to")
    sample: Line = "100%"
    monitor: dict[str, Literal["quiet", "drift", "hold"]] = Field(default={}, description="month → what it must say")
    gate: dict[str, Line] = Field(default={}, description="month → what the gate of its training must say")


class Story(_Strict):
    """All of `story.yaml`. The first step is the first release; it has neither patch nor model."""

    title: Line
    copy_: tuple[Inside, ...] = Field(alias="copy", min_length=1, description="files and folders of the checkout")
    leave_out: tuple[str, ...] = Field(default=(), description="glob patterns of paths that are not copied")
    environment: str
    load: LoadPolicy = LoadPolicy()
    fleet: FleetPolicy | None = Field(default=None, description="for an app that devices run")
    request: dict[str, JsonValue]
    settings: dict[str, JsonValue] = Field(default={}, description="laid over shipway.yaml in the copy")
    training: Training | None = Field(default=None, description="for an app with a model")
    steps: tuple[StoryStep, ...] = Field(min_length=1, max_length=20)
    replay: Months | None = Field(default=None, description="for an app that can be replayed")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        read_question(self.request)
        first, *others = self.steps
        if first.patch or first.model or first.rollback or first.ends != "promoted":
            raise ValueError("steps.0: the first release has neither patch nor model and ends promoted")
        for n, step in enumerate(others, 1):
            if not step.patch and not step.model and not step.rollback:
                raise ValueError(f"steps.{n}: needs a patch or a model, or is a rollback")
            if step.bundle and not self.fleet:
                raise ValueError(f"steps.{n}.bundle: there is no `fleet` to run it")
            trained = self.training.versions if self.training else {}
            if step.model and step.model not in trained:
                allowed = ", ".join(trained) or "none is trained"
                raise ValueError(f"steps.{n}.model: no version {step.model!r}; allowed: {allowed}")
        names = [step.name for step in self.steps] + ([self.replay.name] if self.replay else [])
        if len(set(names)) != len(names):
            raise ValueError("steps: every name occurs once")
        return self

    def takes(self, path: str) -> bool:
        """Whether a file of what is copied comes along."""
        return not any(fnmatch(path, pattern) for pattern in self.leave_out)

    @property
    def question(self) -> Question:
        """What the load client asks."""
        return read_question(self.request)


def read_story(checkout: Path) -> Story:
    """The story of the app in `checkout`. Raises UsageError that lists everything that is wrong with it."""
    path = checkout / STORY
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise UsageError(f"{path} is larger than {MAX_BYTES:,} bytes")
        data: Any = yaml.safe_load(text)
    except FileNotFoundError as error:
        fix = "run it in a checkout of an app that has a story; Shipway's own repository has one"
        raise UsageError(f"no {STORY} in {checkout}", fix=fix) from error
    except yaml.YAMLError as error:
        raise UsageError(f"{STORY}: {' '.join(str(error).split())}", fix="correct the file") from error
    try:
        return Story.model_validate(data)
    except ValidationError as error:
        raise UsageError("\n".join(_lines(error)), fix=f"correct {STORY}") from error


def _lines(error: ValidationError) -> list[str]:
    lines = []
    for fault in error.errors(include_url=False):
        place = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{STORY}: {place}: {message}" if place else f"{STORY}: {message}")
    return lines
