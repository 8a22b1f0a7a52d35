"""`infra init` writes an app's roots; plan, apply and destroy run the real Terraform, where it is installed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.aws.infra import TerraformRoots
from shipway.aws.terraform import Terraform
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.infrastructure import Written
from shipway.description.reader import load, parse
from shipway.wiring.aws_infra import infrastructure

ROOT = Path(__file__).parents[2]
TERRAFORM = shutil.which("terraform")
FOREIGN = """
app: toy
services:
  web: {path: web, command: "python server.py {port}", lock: none, routes: [/api/*]}
environments:
  qa: {branch: qa, port: 8081, tasks: {min: 1, max: 1}, rollout: {strategy: rolling}}
  staging: {branch: staging, after: qa, port: 8082, tasks: {min: 1, max: 1}, rollout: {strategy: rolling}}
  live:
    {branch: main, after: staging, port: 8083, tasks: {min: 1, max: 1}, rollout: {strategy: rolling},
     approval: {roles: [lead]}}
roles: {lead: ["*"]}
"""
AWS = """
aws:
  account: "123456789012"
  region: eu-central-1
  domain: toy.example
  repository: toy/toy
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The folder of an app whose environments have names of their own."""
    (tmp_path / "shipway.yaml").write_text(FOREIGN + AWS)
    return tmp_path


@pytest.fixture
def roots(app: Path, said: list[str]) -> TerraformRoots:
    return infrastructure(app, said.append, colour=False)


def init(roots: TerraformRoots, *, force: bool = False, **like: str) -> Written:
    return roots.init(size=None, like=like, force=force)


def test_each_environment_gets_a_root(app: Path, roots: TerraformRoots) -> None:
    """Of the kind that its place in the path says, with a network of its own."""
    written = init(roots)
    assert {"qa": "dev", "staging": "stage", "live": "prod"} == written.tiers
    assert ("bootstrap", "app", "shared-nonprod", "qa", "staging", "live") == roots.roots()
    main = {name: (app / f"infra/environments/{name}/main.tf").read_text() for name in ("qa", "staging", "live")}
    for name, kind in (written.tiers or {}).items():
        assert f'environment = "{name}"' in main[name]
        assert f'tier        = "{kind}"' in main[name]
    networks = [(app / f"infra/environments/{name}/variables.tf").read_text() for name in main]
    assert ["10.24.", "10.25.", "10.26."] == [text[text.index('"10.') + 1 :][:6] for text in networks]
    assert 'sharing = ["qa", "staging"]' in (app / "infra/environments/shared-nonprod/main.tf").read_text()
    assert 'default     = "shipway[aws]==' in (app / "infra/app/variables.tf").read_text()
    assert [] == [path for path in (app / "infra").rglob("*") if path.name in ("tests", "rehearsal", "tools")]


def test_shipways_own_roots_are_what_init_writes(tmp_path: Path, said: list[str]) -> None:
    """Byte by byte, so that the checked ones are those that apps get; but for where a pipeline installs Shipway from."""
    shutil.copy(ROOT / "shipway.yaml", tmp_path)
    init(infrastructure(tmp_path, said.append, colour=False))
    written = [path.relative_to(tmp_path) for path in (tmp_path / "infra").rglob("*.tf")]
    differing = [path for path in written if (tmp_path / path).read_text() != (ROOT / path).read_text()]
    assert [Path("infra/app/variables.tf")] == differing
    kept = {path.relative_to(ROOT) for path in (ROOT / "infra").rglob("*.tf") if ".terraform" not in path.parts}
    assert {path for path in kept if path.parts[1] not in ("rehearsal", "tests")} == set(written)


def test_what_was_edited_stays(app: Path, roots: TerraformRoots) -> None:
    """And is shown; `force` writes it anew."""
    init(roots)
    file = app / "infra/modules/edge/waf.tf"
    ours = file.read_text()
    file.write_text(ours + "# mine\n")
    written = init(roots)
    assert ["infra/modules/edge/waf.tf"] == list(written.edited or ())
    assert "-# mine" in (written.edited or {})["infra/modules/edge/waf.tf"]
    assert file.read_text().endswith("# mine\n")
    assert ("infra/modules/edge/waf.tf",) == init(roots, force=True).renewed
    assert ours == file.read_text()


def test_another_shipway_renews_what_nobody_edited(app: Path, tmp_path: Path, said: list[str]) -> None:
    """A module's file that it does not have any more goes; one that was edited does not."""
    older = tmp_path / "older"
    shutil.copytree(ROOT / "infra", older, ignore=shutil.ignore_patterns(".terraform*", "tests"))
    for name in ("gone.tf", "gone_edited.tf"):
        (older / "modules/edge" / name).write_text("# an older version's\n")
    waf = older / "modules/edge/waf.tf"
    waf.write_text("# an older version's\n")

    def description() -> object:
        return load(app / "shipway.yaml")

    init(TerraformRoots(app, description, str, older, Terraform(said.append)))  # type: ignore[arg-type]
    (app / "infra/modules/edge/gone_edited.tf").write_text("# mine\n")
    written = init(infrastructure(app, said.append, colour=False))
    assert ("infra/modules/edge/waf.tf",) == written.renewed
    assert ("infra/modules/edge/gone.tf",) == written.removed
    assert {"infra/modules/edge/gone_edited.tf": "not needed any more"} == written.edited


def test_an_environment_keeps_its_addresses(app: Path, roots: TerraformRoots) -> None:
    """Whatever comes before it in the file later."""
    init(roots)
    before = (app / "infra/environments/live/variables.tf").read_text()
    text = (FOREIGN + AWS).replace(
        "environments:\n", "environments:\n  try: {branch: try, port: 8084, tasks: {min: 1, max: 1}, rollout: {strategy: rolling}}\n"
    )  # fmt: skip
    (app / "shipway.yaml").write_text(text)
    init(roots)
    assert before == (app / "infra/environments/live/variables.tf").read_text()
    assert '"10.27.' in (app / "infra/environments/try/variables.tf").read_text()


def test_without_an_aws_section_nothing_is_written(app: Path, roots: TerraformRoots) -> None:
    """The error holds lines that can be added as they are."""
    (app / "shipway.yaml").write_text(FOREIGN)
    with pytest.raises(UsageError, match="no aws: section") as refused:
        roots.init(size="recommended", like={}, force=False)
    assert not (app / "infra").exists()
    lines = refused.value.fix.split(":\n", 1)[1]
    described = parse(FOREIGN + lines).aws
    assert described is not None
    assert "recommended" == described.size


@pytest.mark.parametrize(("like", "what"), [({"qua": "dev"}, "no environment 'qua'"), ({"qa": "test"}, "like 'test'")])
def test_an_unknown_kind_is_told(roots: TerraformRoots, like: dict[str, str], what: str) -> None:
    """With what there is."""
    with pytest.raises(UsageError, match=what):
        init(roots, **like)


def test_another_versions_roots_are_not_planned(app: Path, roots: TerraformRoots) -> None:
    """Its modules may make something else of the same file."""
    init(roots)
    record = app / "infra/shipway.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"shipway": "0.0.9"}))
    with pytest.raises(Refused, match=r"written by Shipway 0\.0\.9") as refused:
        roots.plan("qa")
    assert refused.value.fix.startswith("shipway infra init")


def test_a_root_that_is_missing(app: Path, roots: TerraformRoots) -> None:
    """Either it was never written, or there is no such environment."""
    with pytest.raises(UsageError) as before:
        roots.plan("qa")
    init(roots)
    with pytest.raises(UsageError) as unknown:
        roots.plan("prod")
    assert ("shipway infra init writes it", "no root 'prod'; there is: bootstrap, app, shared-nonprod, qa, staging, live") == (
        before.value.fix, unknown.value.what,
    )  # fmt: skip


# --- Terraform itself


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in Terraform's place."""

    def put(script: str) -> None:
        file = tmp_path / "terraform"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setenv("TERRAFORM", str(file))

    return put


@pytest.mark.parametrize(
    ("script", "what"),
    [
        (None, "no program 'no-such-terraform' here"),
        ("""echo '{"terraform_version": "1.9.8"}'""", "Terraform 1.9.8; 1.10 or newer is needed"),
        ("echo Terraform v1.11.4", "does not say its version"),
    ],
)
def test_terraform_is_missing_or_too_old(
    program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, said: list[str], script: str | None, what: str
) -> None:
    """Said before anything is done, with what to install."""
    if script is None:
        monkeypatch.setenv("TERRAFORM", "no-such-terraform")
    else:
        program(script)
    with pytest.raises(UsageError, match=what) as refused:
        Terraform(said.append).run(Path(), "init")
    assert "install Terraform 1.10 or newer" in refused.value.fix


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        ("Error: No valid credential sources found", "aws sso login"),
        ("api error ExpiredToken: The provided token has expired", "aws sso login"),
        ("Error: AWS account ID not allowed: 999999999999", "AWS_PROFILE"),
        ("Error: S3 bucket does not exist.", "shipway infra apply bootstrap"),
        ("Error: Error acquiring the state lock", "terraform force-unlock"),
        ("api error EntityAlreadyExists: Role with name toy-qa", "import it"),
        ("Cannot delete protected DB Instance, please disable deletion protection", "protected = false"),
        ("Error: Unsupported argument", "mend what Terraform says"),
    ],
)
def test_an_error_of_terraforms_is_explained(
    program: Callable[[str], None], said: list[str], error: str, fix: str
) -> None:
    """Its own words first, then what to do; what was made meanwhile is not forgotten."""
    program(
        f"""case "$*" in *version*) echo '{{"terraform_version": "1.11.4"}}';; *) echo '{error}' >&2; exit 1;; esac"""
    )
    with pytest.raises(ShipwayError) as failed:
        Terraform(said.append).run(Path("qa"), "apply")
    assert [error] == said
    assert fix in failed.value.fix
    assert "what was made before the error stays" in failed.value.state


def test_the_state_lies_where_bootstrap_made_a_place(
    program: Callable[[str], None], app: Path, roots: TerraformRoots, tmp_path: Path
) -> None:
    """Bucket, key and region, by the names that modules/description gives; bootstrap's own lies beside it."""
    init(roots)
    program(
        f"""echo "$@" >> {tmp_path}/calls
case "$*" in
  *version*) echo '{{"terraform_version": "1.11.4"}}';;
  *show*) echo '{{"resource_changes": [{{"address": "a", "change": {{"actions": ["create", "delete"]}}}}]}}';;
  *plan*) exit 2;;
esac"""
    )
    planned = roots.plan("qa")
    assert ("qa", False, 1) == (planned.root, planned.destroys, planned.count("replace"))
    roots.plan("bootstrap")
    calls = [line for line in (tmp_path / "calls").read_text().splitlines() if " init " in line]
    assert calls[0].split()[2:] == [
        "-input=false",
        "-backend-config=bucket=toy-123456789012-terraform-state",
        "-backend-config=key=qa.tfstate",
        "-backend-config=region=eu-central-1",
        "-backend-config=kms_key_id=arn:aws:kms:eu-central-1:123456789012:alias/toy-terraform-state",
        "-no-color",
    ]
    assert ["-input=false", "-no-color"] == calls[1].split()[2:]


@pytest.mark.skipif(TERRAFORM is None, reason="Terraform is not installed")
class TestRealTerraform:
    """A root that needs no provider but Terraform's own, with its state beside it."""

    @pytest.fixture
    def simple(self, app: Path, roots: TerraformRoots, monkeypatch: pytest.MonkeyPatch) -> TerraformRoots:
        monkeypatch.delenv("TERRAFORM", raising=False)
        if not os.path.isfile(os.environ.get("TF_CLI_CONFIG_FILE", "")):  # noqa: PTH113 - may be empty
            monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
        folder = app / "infra" / "bootstrap"
        folder.mkdir(parents=True)
        (folder / "main.tf").write_text('resource "terraform_data" "one" {\n  input = "first"\n}\n')
        return roots

    def test_a_root_is_made_changed_and_taken_away(self, app: Path, simple: TerraformRoots, said: list[str]) -> None:
        """Each by the plan that was shown; a further plan finds nothing."""
        first = simple.plan("bootstrap")
        assert [("terraform_data.one", "create")] == [(change.address, change.action) for change in first.changes]
        assert any("terraform_data.one will be created" in line for line in said)
        # What comes after the plan is not in it.
        main = app / "infra/bootstrap/main.tf"
        main.write_text(main.read_text().replace("first", "second"))
        with pytest.raises(ShipwayError, match="a new one still changes something in bootstrap"):
            simple.apply(first)
        second = simple.plan("bootstrap")
        assert 1 == second.count("update")
        simple.apply(second)
        assert () == simple.plan("bootstrap").changes
        last = simple.plan("bootstrap", destroy=True)
        assert 1 == last.count("delete")
        simple.apply(last)
        assert () == simple.plan("bootstrap", destroy=True).changes

    def test_a_mistake_is_terraforms_to_explain(self, app: Path, simple: TerraformRoots, said: list[str]) -> None:
        """Its words are passed on."""
        (app / "infra/bootstrap/main.tf").write_text('resource "terraform_data" "one" {\n  nothing = 1\n}\n')
        with pytest.raises(ShipwayError, match="terraform plan of bootstrap failed"):
            simple.plan("bootstrap")
        assert any("Unsupported argument" in line for line in said)
