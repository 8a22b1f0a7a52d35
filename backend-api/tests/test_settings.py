"""Settings that make no sense end the start with exit code 2, the name, and what would."""

from __future__ import annotations

import subprocess
import sys

import pytest

from backend_api.__main__ import main
from backend_api.config.settings import Settings
from backend_api.model_client.aws import Runtime
from conftest import set_aws_variables
from test_process import environment


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    set_aws_variables(monkeypatch, "https://runtime.sagemaker.eu-central-1.amazonaws.com")
    monkeypatch.delenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME")
    monkeypatch.setattr(sys, "argv", ["backend_api"])


def refused(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], **variables: str) -> str:
    """What a start with these variables says before it ends."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main()
    assert 2 == ended.value.code
    return capfd.readouterr().err


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"DATABASE_URL": "mysql://user:secret@host/db"},
            "DATABASE_URL: expected a URL that starts with",
        ),
        ({"LATE_THRESHOLD": "2"}, "LATE_THRESHOLD: "),
        ({"MODEL_SAGEMAKER_PERCENT": "10"}, "MODEL_SAGEMAKER_PERCENT: 10 needs SAGEMAKER_ENDPOINT, found none"),
        ({"MODEL_COMPARE_PERCENT": "1"}, "MODEL_COMPARE_PERCENT: 1 needs SAGEMAKER_ENDPOINT, found none"),
        ({"SAGEMAKER_VARIANT": "v1-0"}, "SAGEMAKER_VARIANT: needs SAGEMAKER_ENDPOINT, found none"),
        (
            {"SAGEMAKER_ENDPOINT": "ontime", "MODEL_SAGEMAKER_PERCENT": "99.5"},
            "MODEL_SERVICE_URL: needed while MODEL_SAGEMAKER_PERCENT is 99.5, found none",
        ),
        ({"SAGEMAKER_ENDPOINT": "ontime"}, "MODEL_SERVICE_URL: needed while MODEL_SAGEMAKER_PERCENT is 0, found none"),
        (
            {"SAGEMAKER_ENDPOINT": "ontime", "MODEL_SAGEMAKER_PERCENT": "100", "MODEL_COMPARE_PERCENT": "5"},
            "MODEL_COMPARE_PERCENT: 5 needs MODEL_SERVICE_URL, found none",
        ),
        ({"SAGEMAKER_ENDPOINT": "a_b"}, "SAGEMAKER_ENDPOINT: expected 1 to 63 letters and digits with dashes"),
        ({"SAGEMAKER_VARIANT": "v" * 64}, "SAGEMAKER_VARIANT: expected 1 to 63 letters"),
        ({"MODEL_SAGEMAKER_PERCENT": "101"}, "MODEL_SAGEMAKER_PERCENT: Input should be less than or equal to 100"),
        ({"MODEL_SAGEMAKER_PERCENT": "nan"}, "MODEL_SAGEMAKER_PERCENT: "),
        ({"MODEL_COMPARE_PERCENT": "-1"}, "MODEL_COMPARE_PERCENT: Input should be greater than or equal to 0"),
        ({"MODEL_COMPARE_TOLERANCE": "few"}, "MODEL_COMPARE_TOLERANCE: "),
        ({"MODEL_SERVICE_URL": "ftp://host"}, "MODEL_SERVICE_URL: "),
        (
            {"LABELS": "file://relative", "ENDPOINT_NAME": "ontime"},
            "LABELS: expected file:///path/of/a/folder or s3://",
        ),
        ({"LABELS": "file:///labels"}, "ENDPOINT_NAME: needed with LABELS, found none"),
        ({"ENDPOINT_NAME": "a/b"}, "ENDPOINT_NAME: expected 1 to 63 letters and digits"),
        ({"OUTCOME_SOURCES": "secret"}, "OUTCOME_SOURCES: entry 1: expected name=token, each name once"),
        ({"OUTCOME_SOURCES": "device=secret"}, "OUTCOME_SOURCES: entry 1: expected name=token, each name once"),
        ({"OUTCOME_SOURCES": "desk=secret"}, "OUTCOME_SOURCES: entry 1: expected a token of 20 to 200 printable"),
        ({"MODEL_SERVICE_URL": "http://host/?key=secret"}, "MODEL_SERVICE_URL: expected an address without ? and #"),
    ],
)
def test_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], variables: dict[str, str], said: str
) -> None:
    """The message begins with the name and says what is allowed, without echoing secrets."""
    shown = refused(monkeypatch, capfd, **variables)
    assert said in shown.splitlines()[0]
    assert "secret" not in shown


def test_all_wrong_settings_at_once(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Each has its line."""
    shown = refused(monkeypatch, capfd, LATE_THRESHOLD="2", MODEL_COMPARE_PERCENT="x")
    assert {"LATE_THRESHOLD", "MODEL_COMPARE_PERCENT"} == {line.partition(":")[0] for line in shown.splitlines()}


ALONE = {"SAGEMAKER_ENDPOINT": "ontime", "MODEL_SAGEMAKER_PERCENT": "100"}


def test_endpoint_without_a_region(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """An endpoint lives in a region, which AWS's own variable has to name."""
    monkeypatch.delenv("AWS_REGION")
    assert "AWS_REGION: SAGEMAKER_ENDPOINT needs a region, found none\n" == refused(monkeypatch, capfd, **ALONE)


@pytest.mark.parametrize(
    "variables", [{"AWS_PROFILE": "nobody"}, {"AWS_ENDPOINT_URL": "nowhere"}, {"AWS_REGION": "not a region"}]
)
def test_unusable_aws_settings(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], variables: dict[str, str]
) -> None:
    """What AWS's own library refuses ends the start in its words."""
    shown = refused(monkeypatch, capfd, **ALONE, **variables)
    assert shown.startswith("SAGEMAKER_ENDPOINT: AWS's own settings are unusable: ")
    assert next(iter(variables.values())) in shown


@pytest.mark.slow
@pytest.mark.parametrize("url", ["http://host:99999", "ftp://host", "http://host/?key=secret"])
def test_address_of_sagemaker_that_no_request_can_go_to(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], url: str
) -> None:
    """AWS's library takes it; it is refused at the start all the same, rather than at each request."""
    shown = refused(monkeypatch, capfd, **ALONE, AWS_ENDPOINT_URL=url)
    assert shown.startswith("SAGEMAKER_ENDPOINT: AWS's own settings are unusable: ")
    assert "secret" not in shown


@pytest.mark.slow
@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_region_by_both_its_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The container platform sets the one, AWS's Python library reads the other; the address follows."""
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv(name, "eu-west-3")
    found = Runtime.find()
    expected = ("eu-west-3", "https://runtime.sagemaker.eu-west-3.amazonaws.com", "sagemaker")
    assert expected == (found.region, found.url, found.signing_name)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("http://[::1]:8001/", "http://[::1]:8001"),
        ("https://host/models for/日", "https://host/models%20for/%E6%97%A5"),
        ("http://bücher.example:81", "http://xn--bcher-kva.example:81"),
    ],
)
def test_model_service_url_is_one_that_can_be_sent(monkeypatch: pytest.MonkeyPatch, given: str, sent: str) -> None:
    """What a request line can't hold is escaped, as every client does."""
    monkeypatch.setenv("MODEL_SERVICE_URL", given)
    assert sent == Settings().model_service_url


def test_wrong_port(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The platform's own variable is no exception."""
    assert "'none'" in refused(monkeypatch, capfd, PORT="none")


def test_endpoint_alone_needs_no_model_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 100 percent there is one route; without an endpoint there is the model service of this machine."""
    assert "http://127.0.0.1:8001" == Settings().model_service_url
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    assert Settings().model_service_url is None


@pytest.mark.slow
def test_a_task_without_an_endpoint_does_not_load_the_aws_library() -> None:
    """It would cost every start a third of a second and 17 MB."""
    code = "import sys, backend_api.main as m; m.create_app(); print(sorted(n for n in sys.modules if 'boto' in n))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert "[]\n" == done.stdout
