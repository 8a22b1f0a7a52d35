"""Values on disk: sealed, by one writer at a time, with a key that lies elsewhere."""

from __future__ import annotations

import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.secrets.secret import LARGEST, check_name, check_value
from shipway.local.secrets.key import VARIABLE, Key, Keys, key_file
from shipway.local.secrets.sealed_secrets import SealedSecrets

VALUE = "of great value"


class Machine:
    """A user's folder of configuration, and an app's state."""

    def __init__(self, folder: Path) -> None:
        self.key = folder / "config" / "shipway" / "secrets.key"
        self.file = folder / "state" / "secrets.json"

    def secrets(self, given: str | None = None) -> SealedSecrets:
        return SealedSecrets(self.file, Keys(self.key, given))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_value_comes_back_to_those_who_start_tasks_and_is_not_on_disk(machine: Machine) -> None:
    """Both files are their owner's alone; the key is in another folder than the values."""
    machine.secrets().set("dev", "A", VALUE)
    machine.secrets().set("prod", "A", "another of great value")
    assert {"A": VALUE} == machine.secrets().values("dev", ["A"])
    assert {} == machine.secrets().values("dev", [])
    for path in (machine.file, machine.key):
        assert 0o600 == path.stat().st_mode & 0o777
        assert VALUE.encode() not in path.read_bytes()
    assert 0o700 == machine.key.parent.stat().st_mode & 0o777


def test_the_same_value_again_changes_nothing(machine: Machine) -> None:
    """Tasks that have it need no restart."""
    assert machine.secrets().set("dev", "A", VALUE) == machine.secrets().set("dev", "A", VALUE)


def test_one_of_equal_values_does_not_show_that_they_are(machine: Machine) -> None:
    """Each is sealed with a nonce of its own."""
    for environment in ("dev", "prod"):
        machine.secrets().set(environment, "A", VALUE)
    held = json.loads(machine.file.read_text())["environments"]
    assert held["dev"]["A"]["sealed"] != held["prod"]["A"]["sealed"]


def test_two_writers_lose_nothing_and_make_one_key(machine: Machine) -> None:
    """Whoever comes first makes it, the others use that one."""
    names = [f"A{n}" for n in range(16)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: machine.secrets().set("dev", name, f"value of {name}"), names))
    assert {name: f"value of {name}" for name in names} == machine.secrets().values("dev", names)
    assert [machine.key] == list(machine.key.parent.iterdir())


def test_a_lost_key_is_told_with_the_way_back_and_never_replaced(machine: Machine) -> None:
    """The names are still known; values can be set again once the old ones are given up."""
    machine.secrets().set("dev", "A", VALUE)
    kept = machine.key.read_bytes()
    machine.key.unlink()
    for ask in (
        machine.secrets().check,
        lambda: machine.secrets().values("dev", ["A"]),
        lambda: machine.secrets().set("dev", "B", VALUE),
    ):
        with pytest.raises(Refused, match=r"sealed with the key .* is gone") as refused:
            ask()
        assert f"rm {machine.file}" in refused.value.fix
        assert "A in dev" in refused.value.fix
    assert not machine.key.exists()
    assert ["A"] == [secret.name for secret in machine.secrets().list("dev")]
    machine.key.write_bytes(kept)
    machine.key.chmod(0o600)
    assert {"A": VALUE} == machine.secrets().values("dev", ["A"])
    machine.key.unlink()
    machine.file.unlink()
    machine.secrets().set("dev", "A", "set again")
    assert {"A": "set again"} == machine.secrets().values("dev", ["A"])


def test_another_key_is_told(machine: Machine) -> None:
    """By short names that tell nothing of the keys."""
    machine.secrets().set("dev", "A", VALUE)
    other = base64.b64encode(os.urandom(32)).decode()
    with pytest.raises(Refused, match=f"the one in {VARIABLE} is another one: {Key.read(other, '').id}"):
        machine.secrets(other).values("dev", ["A"])


def test_a_key_that_the_environment_gives_needs_no_file_and_is_handed_to_nobody(machine: Machine) -> None:
    """It is taken out of the environment, which every child would inherit."""
    variables = {VARIABLE: base64.b64encode(os.urandom(32)).decode(), "XDG_CONFIG_HOME": str(machine.key.parent.parent)}
    given = variables[VARIABLE]
    SealedSecrets(machine.file, Keys.of_machine(variables)).set("dev", "A", VALUE)
    assert VARIABLE not in variables
    assert {"A": VALUE} == machine.secrets(given).values("dev", ["A"])
    assert not machine.key.exists()
    assert machine.key == key_file(variables)


def test_a_user_without_a_home_gives_a_key(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but a secret needs one."""
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert key_file({}) is None
    keys = Keys(key_file({}))
    SealedSecrets(machine.file, keys).check()
    with pytest.raises(Refused, match="you have none") as refused:
        SealedSecrets(machine.file, keys).set("dev", "A", VALUE)
    assert VARIABLE in refused.value.fix


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_may_read_is_refused(machine: Machine, mode: int) -> None:
    """With the command that mends it."""
    machine.secrets().set("dev", "A", VALUE)
    machine.key.chmod(mode)
    with pytest.raises(Refused, match=f"mode {mode:04o}") as refused:
        machine.secrets().values("dev", ["A"])
    assert refused.value.fix.startswith(f"chmod 600 {machine.key}")


@pytest.mark.parametrize("text", ["", "short", "!" * 44, base64.b64encode(b"x" * 31).decode()])
def test_what_is_no_key_is_refused(machine: Machine, text: str) -> None:
    """Neither a file nor a variable is taken for less than 32 bytes; what it holds is not told."""
    machine.key.parent.mkdir(parents=True)
    machine.key.write_text(text)
    machine.key.chmod(0o600)
    with pytest.raises(Refused, match="holds no key: a key is 32 bytes in base64") as refused:
        machine.secrets().set("dev", "A", VALUE)
    assert not text or text not in refused.value.what


def test_a_link_in_the_keys_place_is_not_followed(machine: Machine, tmp_path: Path) -> None:
    """Somebody else could choose the key by it."""
    machine.key.parent.mkdir(parents=True)
    machine.key.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ShipwayError, match="can't be read"):
        machine.secrets().set("dev", "A", VALUE)


@pytest.mark.parametrize(("place", "taken_from"), [(("dev", "B"), ("dev", "A")), (("prod", "A"), ("dev", "A"))])
def test_a_value_does_not_pass_for_another(
    machine: Machine, place: tuple[str, str], taken_from: tuple[str, str]
) -> None:
    """Who can write the file, but has no key, cannot even swap two of them; setting it again mends it."""
    for environment, name in (place, taken_from):
        machine.secrets().set(environment, name, f"{name} of {environment}")
    content = json.loads(machine.file.read_text())
    held = content["environments"]
    held[place[0]][place[1]] = held[taken_from[0]][taken_from[1]]
    machine.file.write_text(json.dumps(content))
    with pytest.raises(ShipwayError, match=f"the value of {place[1]} in {place[0]} is damaged"):
        machine.secrets().values(place[0], [place[1]])
    machine.secrets().set(*place, "again")
    assert {place[1]: "again"} == machine.secrets().values(place[0], [place[1]])


@pytest.mark.parametrize(
    ("content", "said"), [("{", "is damaged"), ("[]", "is damaged"), ('{"format": 2}', "newer Shipway")]
)
def test_a_file_that_cannot_be_read_is_told(machine: Machine, content: str, said: str) -> None:
    """It is never taken for an empty one, and written over."""
    machine.file.parent.mkdir()
    machine.file.write_text(content)
    with pytest.raises(ShipwayError, match=said):
        machine.secrets().set("dev", "A", VALUE)
    assert content == machine.file.read_text()


def test_a_secret_without_a_value_is_told_with_the_command(machine: Machine) -> None:
    """For a task that is to be started."""
    with pytest.raises(Refused, match="no value is set for A, B in dev") as refused:
        machine.secrets().values("dev", ["A", "B"])
    assert "shipway secrets set A --env dev, then shipway secrets set B --env dev" == refused.value.fix


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "is empty"),
        ("of\0value", "contains NUL"),
        ("ü" * (LARGEST // 2) + "x", "65,537 bytes"),
        ("\ud800", "no text"),
    ],
)
def test_what_no_variable_can_hold_is_refused(value: str, said: str) -> None:
    """The value itself is never told."""
    with pytest.raises(UsageError, match=said) as error:
        check_value(value)
    assert not value or value not in error.value.what + error.value.fix
    check_value("x" * LARGEST)


@pytest.mark.parametrize("name", ["", "a-b", "1A", "A B", "A=B", "x" * 101])
def test_what_is_no_variables_name_is_refused(name: str) -> None:
    """The same names as in the description."""
    with pytest.raises(UsageError, match="is not the name of an environment variable"):
        check_name(name)
