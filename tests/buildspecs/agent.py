"""CodeBuild's rules for a buildspec, as its reference states them, for a run on this machine.

Phases run in their order, each in a shell of its own that begins in the source's folder. The first command that fails
ends its phase. After a failed `install` or `pre_build` nothing follows; after a failed `build` comes `post_build`, which
is told by CODEBUILD_BUILD_SUCCEEDING, unless the phase says `on-failure: ABORT`. Artifacts must be there.
What this does not show: CodeBuild's image with its programs, its users, network, cache and reports.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_PHASES = ("install", "pre_build", "build", "post_build")
_KNOWN = {"runtime-versions", "commands", "finally", "on-failure"}

Shell = Callable[[Path, Mapping[str, str]], list[str]]
"""The words that start a shell in the folder, with the variables; it gets the phase's script as its last word."""


@dataclass(slots=True)
class Outcome:
    """What a build did: each phase's exit code, what was printed, the artifacts by their names."""

    phases: dict[str, int] = field(default_factory=dict)
    output: str = ""
    artifacts: dict[str, bytes] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        return not any(self.phases.values())


def here(_: Path, variables: Mapping[str, str]) -> list[str]:
    """A shell on this machine, with these variables and no others."""
    return ["env", "-i", *(f"{name}={value}" for name, value in variables.items()), "bash", "-c"]


def build(
    buildspec: Path, source: Path, variables: Mapping[str, str], *, shell: Shell = here, seconds: float = 60
) -> Outcome:
    """Run the buildspec on the source. `variables` are the project's; `seconds` bounds each phase."""
    spec: dict[str, Any] = yaml.safe_load(buildspec.read_text())
    assert "0.2" == str(spec["version"])
    assert "bash" == spec["env"]["shell"]
    given = {**spec["env"].get("variables", {}), **variables, "CODEBUILD_SRC_DIR": str(source)}
    outcome = Outcome()
    succeeding = True
    for name in _PHASES:
        phase = spec["phases"].get(name)
        if phase is None:
            continue
        assert phase.keys() <= _KNOWN, f"{name}: the reference has no {phase.keys() - _KNOWN}"
        told = {**given, "CODEBUILD_BUILD_SUCCEEDING": str(int(succeeding))}
        outcome.phases[name] = _phase(outcome, phase, shell(source, told), source, seconds)
        if outcome.phases[name] != 0:
            succeeding = False
            if name != "build" or phase.get("on-failure") == "ABORT":
                break
    if succeeding:
        outcome.artifacts = {file: (source / file).read_bytes() for file in spec["artifacts"]["files"]}
    return outcome


def _phase(outcome: Outcome, phase: dict[str, Any], start: list[str], source: Path, seconds: float) -> int:
    lines = [f"{command}\nended=$?; [ $ended -eq 0 ] || exit $ended" for command in phase["commands"]]
    script = "\n".join(lines)
    if always := phase.get("finally"):
        script = f"(\n{script}\n)\nended=$?\n" + "\n".join(always) + "\nexit $ended"
    done = subprocess.run(
        [*start, script], cwd=source, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", timeout=seconds, check=False, env=os.environ,
    )  # fmt: skip
    outcome.output += done.stdout
    return done.returncode
