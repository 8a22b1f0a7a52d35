"""What a program writes, without the values of secrets."""

from __future__ import annotations

import doctest
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.local.secrets import log_filter, redaction
from shipway.local.secrets.redaction import SHORTEST, forms, redacted

VALUE = 'k3y of "great" välue/42'


def test_the_examples_hold() -> None:
    assert 0 == doctest.testmod(redaction).failed


@pytest.mark.parametrize(
    "line",
    [f"key {VALUE}!", f"{VALUE!r}", json.dumps({"key": VALUE}), json.dumps(VALUE, ensure_ascii=False),
     "GET /?key=k3y%20of%20%22great%22%20v%C3%A4lue%2F42", "GET /?key=k3y+of+%22great%22+v%C3%A4lue%2F42"],
)  # fmt: skip
def test_a_value_is_found_however_it_is_written(line: str) -> None:
    """As it is, and as Python, JSON and URLs write it."""
    assert "***" in redacted(line, [VALUE])
    assert "great" not in redacted(line, [VALUE])


def test_each_line_of_a_value_is_hidden() -> None:
    """A private key, say, which is printed line by line."""
    key = "-----BEGIN KEY-----\nMIGHAgEAMBMGByqGSM49\nxyz\n-----END KEY-----\n"
    assert "a\n***\nb ***" == redacted("a\nMIGHAgEAMBMGByqGSM49\nb -----END KEY-----", [key])


def test_a_short_value_stays() -> None:
    """It would blank out ordinary words."""
    assert "the prod key" == redacted("the prod key", ["prod"])
    assert [] == forms(["x" * (SHORTEST - 1)])


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=SHORTEST), st.text(), st.text())
def test_no_value_is_left(value: str, before: str, after: str) -> None:
    """Whatever it is made of, and wherever it stands."""
    if len(value.strip()) >= SHORTEST:
        assert value.strip() not in redacted(before + value + after, [value]).replace("***", "")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([VALUE, VALUE[:9], "x" * 300, "\n", "ä", VALUE[9:]]), max_size=12), st.data())
def test_it_does_not_matter_how_a_line_arrives(parts: list[str], data: st.DataObject) -> None:
    """In one piece or in many, longer than the filter keeps or not: the same comes out, and no value."""
    text = "".join(parts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert redacted(text.decode(), [VALUE]).encode() == through(chunks, most=64)


def through(chunks: list[bytes], most: int) -> bytes:
    """What the filter writes when it reads these."""
    waiting, written = [chunk for chunk in chunks if chunk], io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_filter, "MOST", most)
        patch.setattr(
            log_filter.sys, "stdin", type("In", (), {"buffer": io.BytesIO(json.dumps(forms([VALUE])).encode())})
        )
        patch.setattr(log_filter.sys, "argv", ["", "0"])
        patch.setattr(log_filter.os, "read", lambda *_: waiting.pop(0) if waiting else b"")
        patch.setattr(log_filter.os, "write", lambda _, text: written.write(text))
        log_filter.main()
    return written.getvalue()


def test_the_program_needs_nothing_of_shipway(tmp_path: Path) -> None:
    """It runs by itself, told by standard input alone, to the end of what it copies."""
    source, target = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", log_filter.__file__, str(source)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[source], env={}, cwd=tmp_path,
    )  # fmt: skip
    os.close(source)
    os.write(target, f"began with {VALUE}\nand no newline {VALUE}".encode())
    os.close(target)
    out, _ = process.communicate(json.dumps(forms([VALUE])).encode(), timeout=20)
    assert b"began with ***\nand no newline ***" == out
