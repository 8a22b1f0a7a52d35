"""What a CodeBuild project is made of, as far as the desk asks."""

from __future__ import annotations

import pytest

from shipway.aws.builds import Builds


class Project:
    """Calls that know one project."""

    def __init__(self, command: str) -> None:
        self._command = command

    def call(self, *_: str, **__: object) -> dict[str, object]:
        return {"projects": [{"source": {"type": "CODEPIPELINE", "buildspec": f"- {self._command}\n- python -m x\n"}}]}


@pytest.mark.parametrize(
    ("command", "needs"),
    [
        ("python -m pip install --quiet '.[aws]'", True),
        ("pip install .", True),
        ('"pip install .[aws]"', True),
        ("pip install 'shipway[aws]==1.0'", False),
        ("pip install 'shipway[aws] @ https://example.com/shipway-1.0-py3-none-any.whl'", False),
    ],
)
def test_a_project_that_installs_from_a_commits_folder_needs_its_source(command: str, needs: bool) -> None:
    """Whatever stands before the folder's name."""
    assert needs is Builds(Project(command)).needs_source("hello-prod-rollout")  # type: ignore[arg-type]
