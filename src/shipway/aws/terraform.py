"""Runs Terraform: finds the program, streams what it says, and explains how it ended."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from shipway.core.errors import ShipwayError, UsageError

OLDEST = (1, 10)
"""The first that locks a state in S3 without a table beside it (`use_lockfile`)."""
_INSTALL = "install Terraform 1.10 or newer (developer.hashicorp.com/terraform/install), or name it in TERRAFORM"
_ERRORS_KEPT = 200_000

_EXPLAINED = {
    "No valid credential sources found": (
        "nobody is signed in to AWS",
        "aws sso login, or set AWS_PROFILE; look by: aws sts get-caller-identity",
    ),
    "ExpiredToken": ("the sign-in to AWS has expired", "aws sso login, then the same command again"),
    "AWS account ID not allowed": (
        "you are signed in to another account than aws.account of shipway.yaml",
        "set AWS_PROFILE to that account's; look by: aws sts get-caller-identity",
    ),
    "S3 bucket does not exist": (
        "the bucket of Terraform's states is not there",
        "shipway infra apply bootstrap",
    ),
    "NoSuchBucket": ("the bucket of Terraform's states is not there", "shipway infra apply bootstrap"),
    "Error acquiring the state lock": (
        "somebody else is at this root, or a run was killed there",
        "wait for them; if nobody is: terraform force-unlock with the ID above, in the root's folder",
    ),
    "Saved plan is stale": ("something was applied since the plan was made", "the same command again"),
    "AlreadyExists": (
        "a name is taken by something that Terraform did not make",
        "import it (terraform import, in the root's folder), remove it, or choose another `app:` name",
    ),
    "BucketAlreadyOwnedByYou": (
        "a bucket of this name is there, and Terraform did not make it",
        "import it (terraform import, in the root's folder), or remove it",
    ),
    "AccessDenied": (
        "you are signed in as somebody who may not do this",
        "take the role APP-infra (infra/app makes it), or an administrator's for the first time",
    ),
    "AccessDeniedException": (
        "you are signed in as somebody who may not do this",
        "take the role APP-infra (infra/app makes it), or an administrator's for the first time",
    ),
    "deletion protection": (
        "it is protected against deletion",
        "protected = false in the root's terraform.tfvars, shipway infra apply it, then destroy it",
    ),
    "BucketNotEmpty": (
        "a bucket still holds something",
        "protected = false in the root's terraform.tfvars, shipway infra apply it, then destroy it",
    ),
}
"""What Terraform's errors hold → what happened, and what to do. The first that fits is told."""


class Terraform:
    """The program. `tell` gets each line that it says; `colour` is whether they may hold colours."""

    def __init__(self, tell: Callable[[str], None], *, colour: bool = False) -> None:
        self._tell = tell
        self._colour = [] if colour else ["-no-color"]

    def require(self) -> str:
        """The program's path. Raises UsageError where it is missing or too old."""
        name = os.environ.get("TERRAFORM", "terraform")
        program = shutil.which(name)
        if program is None:
            raise UsageError(f"no program {name!r} here", fix=_INSTALL)
        said = self._capture(program, "version", "-json")
        try:
            found = str(json.loads(said)["terraform_version"])
            version = tuple(int(part) for part in found.split("-", maxsplit=1)[0].split(".")[:2])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{program} does not say its version as Terraform does", fix=_INSTALL) from error
        if version < OLDEST:
            wanted = ".".join(map(str, OLDEST))
            raise UsageError(f"{program} is Terraform {found}; {wanted} or newer is needed", fix=_INSTALL)
        return program

    def run(self, folder: Path, *words: str, allowed: Sequence[int] = (0,), quiet: bool = False) -> int:
        """The exit code, one of `allowed`; its lines are told as they come. Raises ShipwayError for another code.

        Where `quiet`, lines are told only if it fails.
        """
        command = [self.require(), f"-chdir={folder}", *words, *self._colour]
        errors: list[str] = []
        said: list[str] = []
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
        ) as process:  # fmt: skip
            reader = threading.Thread(target=_collect, args=(process.stderr, errors))
            reader.start()
            _stream(process, said.append if quiet else self._tell)
            reader.join()
            code = process.wait()
        if code in allowed:
            return code
        for line in errors or said:
            self._tell(line)
        raise _failure(words[0], folder.name, "\n".join([*said, *errors]))

    def show(self, folder: Path, *words: str) -> Any:
        """What it answers as JSON. Raises ShipwayError."""
        return json.loads(self._capture(self.require(), f"-chdir={folder}", *words))

    def _capture(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
        if done.returncode != 0:
            raise ShipwayError(f"{' '.join(command)} failed: {done.stderr.strip()[-2000:]}")
        return done.stdout


def _stream(process: subprocess.Popen[str], tell: Callable[[str], None]) -> None:
    """Tell each line. Ctrl-C reaches Terraform as well, which then ends in order: its last words are waited for."""
    assert process.stdout is not None
    while True:
        try:
            for line in process.stdout:
                tell(line.rstrip("\n"))
            return
        except KeyboardInterrupt:
            tell("asked to stop: Terraform finishes what it is at, and writes its state")


def _collect(stream: Any, into: list[str]) -> None:
    kept = 0
    for line in stream:
        kept += len(line)
        if kept < _ERRORS_KEPT:
            into.append(line.rstrip("\n"))


def _failure(word: str, root: str, said: str) -> ShipwayError:
    state = (
        f"what was made before the error stays, and stands in {root}'s state" if word in ("apply", "destroy") else ""
    )
    for sign, (what, fix) in _EXPLAINED.items():
        if sign in said:
            return ShipwayError(f"terraform {word} of {root}: {what}", fix=fix, state=state)
    fix = "mend what Terraform says above, then the same command again"
    return ShipwayError(f"terraform {word} of {root} failed", fix=fix, state=state)


def _environment() -> dict[str, str]:
    environment = os.environ | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "TF_INPUT": "0"}
    # A file that is named and not there is a warning in each answer.
    if not Path(environment.get("TF_CLI_CONFIG_FILE", "")).is_file():
        environment.pop("TF_CLI_CONFIG_FILE", None)
    return environment
