"""What is said of a commit that is to be deployed."""

from __future__ import annotations

import pytest

from shipway.core.errors import ShipwayError
from shipway.core.releases.release import Commit
from shipway.pipeline.remarks import remarks
from tests.doubles.source import FakeSource
from tests.pipeline.house import APP


class Dirty(FakeSource):
    """Answers so many changes."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def uncommitted(self, commit: Commit, paths: object) -> list[str]:
        if self.names == ["?"]:
            raise ShipwayError("git status gave no answer")
        return self.names


@pytest.mark.parametrize(
    ("names", "note", "expected"),
    [
        ([], "", ()),
        (["a"], "", ("1 uncommitted change stays behind: a",)),
        (["a", "b", "c"], "", ("3 uncommitted changes stay behind: a, b, c",)),
        (list("abcde"), "which", ("which", "5 uncommitted changes stay behind: a, b, c and 2 more")),
        (["?"], "which", ("which",)),
    ],
)
def test_what_a_person_should_know_is_one_sentence_each(names: list[str], note: str, expected: tuple[str, ...]) -> None:
    """The commit that was meant, and the first names of what is not in it; a working copy in trouble stops nothing."""
    assert expected == remarks(Dirty(names), Commit("c1", "s", "a", "main", note), APP)


def test_what_a_service_includes_may_stay_behind_as_well() -> None:
    """The working copy is looked at wherever a service comes from."""
    hello = APP.services["hello"].model_copy(update={"include": ("shared", "libs/a")})
    app = APP.model_copy(update={"services": {"hello": hello}})
    said = remarks(FakeSource(), Commit("dirty", "s", "a", "main"), app)
    assert ("4 uncommitted changes stay behind: shipway.yaml/new, hello/new, shared/new and 1 more",) == said
