"""What MLflow takes of a run, and that the same run has the same digest."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mlflow_export.run import MAX_NAME, MAX_TAG, Run, named

RUN = Run(
    "k", "ontime", "ontime training 7", "FINISHED", 1.0, 2.0, {"rounds": "200"}, {"bias.DPPL of carrier=MQ,EV": 0.1},
    {"commit": "c1", "asked_by": "ann", "gate.reasons": "better"}, {}, {},
)  # fmt: skip


@pytest.mark.parametrize(
    "name", ["a", "bias.DPPL of carrier=MQ,EV", "/a//b/../c", "..", "", "x" * 300, "é\n\0", "a/./b"]
)
def test_every_name_becomes_one_that_is_taken(name):
    """Of allowed characters, short enough, and a normal path."""
    found = named(name)
    assert re.fullmatch(r"[\w.\- :/]{1,250}", found)
    assert not any(part in ("", ".", "..") for part in found.split("/"))


def test_long_names_stay_apart():
    assert named("x" * 300) != named("x" * 301)
    assert MAX_NAME == len(named("x" * 300))


def test_the_digest_is_of_everything():
    assert RUN.digest == replace(RUN).digest
    assert RUN.digest != replace(RUN, texts={"a.html": "b"}).digest


def test_tags_are_also_where_mlflow_shows_them():
    """And no longer than it takes."""
    tags = replace(RUN, tags={**RUN.tags, "why": "w" * 9000}).own_tags
    assert ("c1", "ann", "better") == tuple(
        tags[f"mlflow.{name}"] for name in ("source.git.commit", "user", "note.content")
    )
    assert MAX_TAG == len(tags["shipway.why"])
