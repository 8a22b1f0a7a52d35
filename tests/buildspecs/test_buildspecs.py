"""What the services' buildspecs do, phase by phase, with programs on PATH that only record.

The recorders stand for `docker`, `aws`, pytest and the making of its environment. So this shows what is called, in which
order, and what ends a build; that the image can be built, pushed and found is shown by `make infra-containers`, which
runs the same buildspecs with the real programs.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.buildspecs.agent import Outcome, build
from tests.buildspecs.repositories import PROGRAM, commit, git, tag
from tests.contracts.programs import ROOT

SERVICES = ("backend-api", "ml-model-service", "app-updates")
BUILDSPEC = ROOT / SERVICES[0] / "buildspec.yml"
REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/ontime/web"
DIGEST = "sha256:" + "ab" * 32

DOCKER = """#!/bin/sh
echo "docker $*" >> "$CALLS"
case $1 in
login) cat > /dev/null ;;
build) for last; do :; done; (cd "$last" && find . | sort) >> "$CALLS"; [ ! -e "$CALLS.unbuildable" ] ;;
push) [ ! -e "$CALLS.refused" ] && echo pushed > "$CALLS.pushed" ;;
esac
"""
AWS = f"""#!/bin/sh
echo "aws $*" >> "$CALLS"
case "$*" in
*get-login-password*) echo a-password ;;
*batch-get-image*) if [ -e "$CALLS.pushed" ]; then echo {DIGEST}; else echo None; fi ;;
esac
"""
# `python -m venv` without pip's own installation, which takes seconds and a network; other words go to Python.
PYTHON = """#!/bin/sh
[ "$1 $2" = "-m venv" ] || exec "$REAL_PYTHON" "$@"
echo "python $*" >> "$CALLS"
mkdir -p "$3/bin"
printf '#!/bin/sh\\necho "pip $*" >> "$CALLS"\\n' > "$3/bin/pip"
cat > "$3/bin/pytest" <<'END'
#!/bin/sh
echo "pytest $* in $PWD" >> "$CALLS"
mkdir -p "$(dirname "${PYTEST_ADDOPTS#--junitxml=}")" && echo report > "${PYTEST_ADDOPTS#--junitxml=}"
[ ! -e "$CALLS.wrong" ]
END
chmod +x "$3"/bin/*
"""


@dataclass(frozen=True)
class Project:
    """A CodeBuild project over a repository with one service, `web`, that includes `shared`."""

    source: Path
    calls: Path

    def build(self, **variables: str) -> Outcome:
        """One build of the newest commit, in a clone of its own."""
        shutil.rmtree(self.source.with_name("clone"), ignore_errors=True)
        git(self.source, "clone", "--quiet", str(self.source), str(self.source.with_name("clone")))
        given = {
            "PATH": f"{self.calls.parent}/bin:{os.environ['PATH']}", "CALLS": str(self.calls), "HOME": str(self.calls.parent),
            "REAL_PYTHON": sys.executable, "ECR_REPOSITORY": REPOSITORY, "SERVICE": "web", "SERVICE_PATH": "web",
            "SERVICE_INCLUDE": "shared",
        }  # fmt: skip
        self.calls.write_text("")
        return build(BUILDSPEC, self.source.with_name("clone"), given | variables)

    def called(self, program: str) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if line.startswith(f"{program} ")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    source = tmp_path / "source"
    (source / "web").mkdir(parents=True)
    (source / "shared").mkdir()
    (source / "shared" / "rules.py").write_text("LIMIT = 3\n")
    (source / "web" / "rules").symlink_to("../shared")
    (source / "web" / "Dockerfile").write_text("FROM scratch\n")
    (source / "web" / "requirements-test.lock").write_text("")
    modules = source / "infra" / "modules" / "pipeline"
    modules.mkdir(parents=True)
    shutil.copy(PROGRAM, modules)
    git(source, "init", "--quiet")
    commit(source)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("docker", DOCKER), ("aws", AWS), ("python", PYTHON)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return Project(source, tmp_path / "calls")


def test_new_files_are_tested_built_pushed_and_handed_on_by_digest(project: Project) -> None:
    """The image is built of the committed files, links replaced; its tag names them, the release gets its digest."""
    outcome = project.build()
    tree = tag(project.source, "web", "shared")
    assert {"install": 0, "pre_build": 0, "build": 0, "post_build": 0} == outcome.phases, outcome.output
    handed_on = json.loads(outcome.artifacts["build-output.json"])
    assert {"service": "web", "digest": DIGEST, "tree": tree} == handed_on
    (login, built, pushed) = project.called("docker")
    assert f"docker login --username AWS --password-stdin {REPOSITORY.split('/', maxsplit=1)[0]}" == login
    assert f"docker build -t {REPOSITORY}:{tree} build/image" == built
    assert f"docker push {REPOSITORY}:{tree}" == pushed
    assert "./rules/rules.py" in project.calls.read_text().splitlines()
    assert "a-password" not in outcome.output
    assert (project.source.with_name("clone") / "build" / "reports" / "backend-api.xml").exists()


def test_services_are_built_alike() -> None:
    """Their buildspecs differ in the name of the report alone, so that the tests here hold for each."""
    (text,) = {(ROOT / service / "buildspec.yml").read_text().replace(service, "S") for service in SERVICES}
    assert text.replace("S.xml", "").count("S:") == 1


def test_test_phase_is_the_local_builds_command(project: Project) -> None:
    """`test` of shipway.yaml, in the files that the image is built of, with the locked test environment."""
    (command,) = {yaml.safe_load((ROOT / "shipway.yaml").read_text())["services"][name]["test"] for name in SERVICES}
    project.build()
    (installed,) = project.called("pip")
    assert installed.endswith("--require-hashes -r build/test/requirements-test.lock")
    assert [f"{command} in {project.source.with_name('clone')}/build/test"] == project.called("pytest")


def test_files_that_were_built_before_are_found(project: Project) -> None:
    """A commit that leaves the folder and what it includes unchanged builds nothing, and hands on the same digest."""
    first = project.build()
    (project.source / "README").write_text("elsewhere\n")
    commit(project.source)
    again = project.build()
    assert first.artifacts == again.artifacts
    assert [] == project.called("docker") + project.called("pip") + project.called("pytest")
    (project.source / "shared" / "rules.py").write_text("LIMIT = 4\n")
    commit(project.source)
    project.calls.with_name("calls.pushed").unlink()
    assert first.artifacts != project.build().artifacts


def test_failed_test_ends_the_build_before_docker(project: Project) -> None:
    """Neither an image nor an artifact comes of it."""
    project.calls.with_name("calls.wrong").touch()
    outcome = project.build()
    assert {"install": 0, "pre_build": 1} == outcome.phases
    assert ({}, []) == (outcome.artifacts, project.called("docker"))


def test_failed_image_is_not_pushed(project: Project) -> None:
    """A build that Docker refused ends there."""
    project.calls.with_name("calls.unbuildable").touch()
    outcome = project.build()
    assert {"install": 0, "pre_build": 0, "build": 1} == outcome.phases
    assert ["login", "build"] == [line.split()[1] for line in project.called("docker")]
    assert {} == outcome.artifacts


def test_refused_push_fails_unless_ecr_has_the_image(project: Project) -> None:
    """Tags never move: another pipeline may have pushed the same files meanwhile, and its image is as good."""
    project.calls.with_name("calls.refused").touch()
    outcome = project.build()
    assert {"install": 0, "pre_build": 0, "build": 0, "post_build": 1} == outcome.phases
    assert {} == outcome.artifacts


def test_base_image_can_be_a_copy_of_ones_own(project: Project) -> None:
    """BASE_IMAGE goes to Docker as a build argument; without it the Dockerfile's own is taken."""
    project.build(BASE_IMAGE="123456789012.dkr.ecr.us-east-1.amazonaws.com/python@sha256:12")
    assert (
        " --build-arg BASE_IMAGE=123456789012.dkr.ecr.us-east-1.amazonaws.com/python@sha256:12 "
        in project.called("docker")[1]
    )
