"""What CodeBuild takes as a buildspec, version 0.2, from its reference; botocore has no shape for it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_Some = Annotated[list[str], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.replace("_", "-"))


class Phase(_Strict):
    """Commands of a phase; each runs in the same shell as the ones before."""

    run_as: str | None = None
    on_failure: Annotated[str, Field(pattern=r"^(ABORT|CONTINUE|RETRY(-\d+)?)$")] | None = None
    runtime_versions: dict[str, str | float] | None = None
    commands: _Some
    finally_: list[str] = Field(default=[], alias="finally")


class Phases(_Strict):
    """There are no others."""

    install: Phase | None = None
    pre_build: Phase | None = Field(default=None, alias="pre_build")
    build: Phase | None = None
    post_build: Phase | None = Field(default=None, alias="post_build")


class Environment(_Strict):
    """Shell and variables."""

    shell: Literal["bash", "/bin/sh", "powershell.exe"] | None = None
    variables: dict[_Name, str] = {}
    parameter_store: dict[_Name, str] = {}
    secrets_manager: dict[_Name, str] = {}
    exported_variables: list[_Name] = []
    git_credential_helper: Literal["yes", "no"] | None = None


class Report(_Strict):
    """Results of tests."""

    files: _Some
    base_directory: str | None = None
    discard_paths: Literal["yes", "no"] | None = None
    file_format: Literal["CUCUMBERJSON", "JUNITXML", "NUNITXML", "NUNIT3XML", "TESTNGXML", "VISUALSTUDIOTRX"] = (
        "JUNITXML"
    )


class Artifacts(_Strict):
    """Files that are handed on."""

    files: _Some
    name: str | None = None
    discard_paths: Literal["yes", "no"] | None = None
    base_directory: str | None = None
    exclude_paths: list[str] = []


class Cache(_Strict):
    """Paths that the next build finds again."""

    paths: _Some


class Buildspec(_Strict):
    """The whole file."""

    version: Literal[0.2]
    run_as: str | None = None
    env: Environment = Environment()
    phases: Phases
    reports: dict[str, Report] = {}
    artifacts: Artifacts | None = None
    cache: Cache | None = None
