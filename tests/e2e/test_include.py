"""Code that services share lies once in the repository, and goes out with each of them."""

from __future__ import annotations

import urllib.request

import pytest

from tests.e2e.conftest import SERVICE, Shipway

pytestmark = pytest.mark.e2e


@pytest.fixture
def shop(shipway: Shipway) -> Shipway:
    """Beside `hello`, which shares nothing: two services whose answer is said by a folder outside of both."""
    (shipway.root / "shared" / "words").mkdir(parents=True)
    say(shipway, "one")
    for name in ("cart", "search"):
        (shipway.root / name).mkdir()
        (shipway.root / name / "app.py").write_text(SERVICE.replace('ANSWER = "hello"', "from words import ANSWER"))
        (shipway.root / name / "words").symlink_to("../shared/words")
        shipway.description["services"][name] = {
            "path": name, "include": ["shared"], "command": "python app.py", "lock": "none", "routes": [f"/{name}/*"],
            "test": "python -c 'import words; assert words.ANSWER != \"wrong\"'",
        }  # fmt: skip
    shipway.commit("share words")
    shipway.up()
    return shipway


def say(shipway: Shipway, word: str) -> None:
    (shipway.root / "shared" / "words" / "__init__.py").write_text(f"ANSWER = {word!r}\n")


def serving(shipway: Shipway) -> tuple[dict[str, str], list[str]]:
    """HEAD in dev: the artifact of each service, and the first word of each one's answer."""
    assert "waiting" == shipway.deploy()["status"]
    answers = []
    for path in ("/", "/cart/", "/search/"):
        with urllib.request.urlopen(f"http://127.0.0.1:{shipway.ports['dev']}{path}", timeout=30) as answer:
            answers.append(answer.read().decode().split()[0])
    return {one["name"]: one["artifact"] for one in shipway.environment("dev")["services"]}, answers


def test_a_change_of_a_shared_folder_goes_out_with_the_services_that_include_it(shop: Shipway) -> None:
    """Exactly those are built anew, tested with it, and answer by it; the others stay what they are."""
    first, answers = serving(shop)
    assert ["hello", "one", "one"] == answers
    say(shop, "two")
    assert "1 uncommitted change stays behind: shared/words/__init__.py" in shop.run("deploy").stdout
    shop.commit("another word")
    second, answers = serving(shop)
    assert ["hello", "two", "two"] == answers
    assert {"cart", "search"} == {name for name in first if first[name] != second[name]}
    say(shop, "wrong")
    shop.commit("a wrong word")
    done = shop.run("deploy", expect=3)
    assert "failed its tests" in done.stdout + done.stderr
    assert second == {one["name"]: one["artifact"] for one in shop.environment("dev")["services"]}


def test_what_is_included_and_not_linked_is_a_mistake_with_its_line(shop: Shipway) -> None:
    """`validate` and `deploy` say it of the commit, before anything is built."""
    assert "shipway.yaml" in shop.run("validate").stdout
    (shop.root / "cart" / "words").unlink()
    shop.commit("without the link")
    said = shop.run("validate", expect=2).stderr
    assert "services.cart.include: commit" in said
    assert "no link in cart leads into shared, which it includes" in said
    assert "no link in cart leads into shared" in shop.run("deploy", expect=2).stdout
