"""What a rollout must survive: services that come, environments that go, restarts in between."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.clients import Clients
from tests.e2e.conftest import SERVICE, Shipway
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e

BAD = """
if path == "/health":
    return 200, "ok"
return 500, "no"
"""


def straight(shipway: Shipway) -> dict[str, Any]:
    """Prod alone, without a gate; answers prod's part of the description."""
    environments = shipway.description["environments"]
    del environments["dev"], environments["prod"]["after"], environments["prod"]["approval"]
    shipway.commit("prod alone")
    shipway.up()
    prod: dict[str, Any] = environments["prod"]
    return prod


def add_service(shipway: Shipway) -> None:
    """A second service takes over `/api/*` of the first."""
    (shipway.root / "extra").mkdir()
    (shipway.root / "extra" / "app.py").write_text(SERVICE)
    shipway.description["services"]["extra"] = {
        "path": "extra", "command": "python app.py", "lock": "none", "routes": ["/api/*"],
    }  # fmt: skip


def test_a_service_is_split_off_and_merged_again(shipway: Shipway) -> None:
    """Paths move between services with the traffic: not one request fails, on the way there and back."""
    straight(shipway)
    assert "succeeded" == shipway.deploy()["status"]
    with Clients(shipway.ports["prod"], "/api/x") as clients:
        add_service(shipway)
        shipway.commit("split")
        assert "succeeded" == shipway.deploy()["status"]
        del shipway.description["services"]["extra"]
        shipway.commit("merge")
        assert "succeeded" == shipway.deploy()["status"]
    assert [200] == list(clients.counts)


def test_a_bad_release_with_a_new_service_goes_back(shipway: Shipway) -> None:
    """Stable lacks the new service and is whole all the same: traffic returns to it at once."""
    straight(shipway)
    shipway.deploy()
    add_service(shipway)
    shipway.behave(BAD, "bad")
    with Clients(shipway.ports["prod"], "/"):
        assert "rolled_back" == shipway.json("deploy", expect=4)["run"]["status"]
    assert "r1" == shipway.environment("prod")["release"]
    with Clients(shipway.ports["prod"], "/") as clients:
        wait_for(lambda: clients.sent >= 20)
    assert [200] == list(clients.counts)


def test_an_environment_is_taken_out_and_put_back(shipway: Shipway) -> None:
    """Without it in shipway.yaml its tasks stop and the daemon starts; with it again, they run again."""
    shipway.up()
    shipway.deploy()
    dev = shipway.description["environments"].pop("dev")
    del shipway.description["environments"]["prod"]["after"]
    shipway.commit("no dev")
    shipway.kill_daemon()
    shipway.up()
    assert not [line for line in shipway.processes() if line == "python app.py"]
    shipway.description["environments"]["dev"] = dev
    shipway.commit("dev again")
    shipway.run("reload")
    wait_for(lambda: shipway.environment("dev")["services"][0]["ready"] == 1)
