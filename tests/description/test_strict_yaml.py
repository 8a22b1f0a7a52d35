"""YAML that every reader reads alike."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shipway.description.strict_yaml import MAX_BYTES, MAX_VALUES, Place, read

ALIKE = {
    "true": True,
    "False": False,
    "~": None,
    "": None,
    "null": None,
    "0": 0,
    "-12": -12,
    "8080": 8080,
    "1.10": 1.1,
    "-0.5": -0.5,
    "5%": "5%",
    "500ms": "500ms",
    "v1.0": "v1.0",
    "/api/*": "/api/*",
    "127.0.0.1": "127.0.0.1",
    "'no'": "no",
    '"08"': "08",
    "none": "none",
    "1,000": "1,000",
    "python -m app --port {port}": "python -m app --port {port}",
}
DISPUTED = [
    *(
        "no",
        "Yes",
        "on",
        "OFF",
        "y",
        "N",
        "08",
        "010",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "1e3",
        "1.5e3",
        ".5",
        "5.",
        "+1",
    ),
    *("1:30", ".inf", "-.INF", ".nan", "2026-11-23", "2026-11-23T06:00:00Z", "00", "-0x1f", "1" * 19, "=", "<<"),
]


def first(text: str | bytes) -> tuple[int, Place, str]:
    """The first problem of a text, as a tuple."""
    problem = read(text).problems[0]
    return problem.line, problem.place, problem.message


@pytest.mark.parametrize(("text", "value"), ALIKE.items())
def test_reads_plain_values(text: str, value: object) -> None:
    """What all readers agree on is read as they read it."""
    document = read(f"key: {text}")
    assert ({"key": value}, []) == (document.value, document.problems)


@pytest.mark.parametrize("text", DISPUTED)
def test_reports_what_readers_disagree_about(text: str) -> None:
    """A word that another reader could take for something else is a mistake, not a guess."""
    line, place, message = first(f"key: {text}")
    assert (1, ("key",)) == (line, place)
    assert message.startswith(f'YAML readers disagree about {text}; write "{text}" if it is text')


@given(st.text(alphabet="0123456789.xobeE+-_:nNyYoOfFaAtrusTZ~ %", max_size=12))
def test_agrees_with_pyyaml(word: str) -> None:
    """Whatever is accepted means the same to a reader of YAML 1.1."""
    text = f"key: {word}"
    document = read(text)
    if not document.problems:
        assert yaml.safe_load(text) == document.value


@pytest.mark.skipif(shutil.which("terraform") is None, reason="needs the terraform command")
def test_agrees_with_terraform(tmp_path: Path) -> None:
    """Whatever is accepted means the same to Terraform's yamldecode."""
    root = Path(__file__).parents[2]
    (tmp_path / "values.yaml").write_text("\n".join(f"{n}k: {text}" for n, text in enumerate(ALIKE)))
    for path in (tmp_path / "values.yaml", root / "shipway.yaml"):
        expression = f'jsonencode(yamldecode(file("{path}")))\n'
        answer = subprocess.run(
            ["terraform", "console"],
            input=expression,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert json.loads(json.loads(answer.stdout)) == read(path.read_bytes()).value


def test_keeps_lines() -> None:
    """Every key and list entry knows its line, whatever the line ends are."""
    document = read("a:\r\n  - 1\r\n  -\r\n    b: 2\r\nc: {d: 3,\r\n  e: 4}\r\n")
    lines = {(): 1, ("a",): 1, ("a", 0): 2, ("a", 1): 4, ("a", 1, "b"): 4, ("c",): 5, ("c", "d"): 5, ("c", "e"): 6}
    assert lines == document.lines
    assert 4 == document.line(("a", 1, "b", "missing"))


@pytest.mark.parametrize(
    ("text", "line", "place", "message"),
    [
        ("a: 1\nb: 2\na: 3", 3, ("a",), "written twice, first on line 1; keep one"),
        ("8080: x", 1, ("8080",), 'a key is text; write "8080"'),
        ("? [a]\n: 1", 1, (), "found a list or a mapping as a key; allowed: text"),
        ("a: &x {b: 1}\nc:\n  <<: *x", 3, ("c",), "merge keys (<<) are not allowed; write the keys out"),
        ("a: &x [1, *x]", 1, ("a", 1), "an alias that contains itself"),
        ('a: "x\\0y"', 1, ("a",), "holds a control character or half of a surrogate pair"),
        ('a: "\\uD800"', 1, ("a",), "holds a control character or half of a surrogate pair"),
        ("", 1, (), "the file is empty"),
        ("# nothing\n", 1, (), "the file is empty"),
        (b"a: b\nc: \xff", 2, (), "not UTF-8 text; save the file as UTF-8"),
        ("a: \ud800", 1, (), "not UTF-8 text; save the file as UTF-8"),
        ("a: 1\nb: \x07", 2, (), "holds the control character U+0007"),
        (
            "a: !!python/object/apply:os.system [x]",
            1,
            (),
            "not valid YAML: tags such as tag:yaml.org,2002:python/object/apply:os.system are not allowed",
        ),
        ("a: !x y", 1, (), "not valid YAML: tags such as !x are not allowed"),
        (
            "a:\n\tb: 1",
            2,
            (),
            "not valid YAML: found character '\\t' that cannot start any token; indent with spaces, not tabs",
        ),
        ("a: b: c", 1, (), "not valid YAML: mapping values are not allowed here"),
        (
            "a: 1\n---\nb: 2",
            2,
            (),
            "not valid YAML: expected a single document in the stream, but found another document",
        ),
        ("[" * 100, 1, (), "not valid YAML: nested deeper than 20 levels"),
        (f"[{'1,' * 30_000}]", 1, (), "not valid YAML: more than 10,000 values"),
        ("x" * (MAX_BYTES + 1), 1, (), "1,048,577 bytes; allowed: 1,048,576 at most"),
        ('a: "\\UFFFFFFFF"', 1, (), 'not valid YAML: an escape such as "\\UFFFFFFFF" names no character'),
    ],
)
def test_reports_mistakes(text: str | bytes, line: int, place: Place, message: str) -> None:
    """A mistake is told with its line and what to do."""
    assert (line, place, message) == first(text)


def test_tells_the_column_of_a_syntax_error() -> None:
    """A syntax error has line and column, both counted from 1."""
    problem = read("a: 1\nb: [1, 2\nc: 3\n").problems[0]
    assert (3, 2) == (problem.line, problem.column)


def test_stops_at_aliases_that_multiply() -> None:
    """Nine lines that stand for a billion values are refused before they are built."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    document = read("\n".join(lines))
    assert [f"more than {MAX_VALUES:,} values once aliases are expanded"] == [p.message for p in document.problems]


def test_stops_at_aliases_that_nest() -> None:
    """Aliases cannot nest deeper than plain values may."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 40)]
    assert "aliases nest deeper than 20 levels" in {p.message for p in read("\n".join(lines)).problems}


@given(
    st.one_of(
        st.binary(max_size=300), st.text(max_size=300), st.text(alphabet="ab:-[]{}&*!|>'\"%#?,\n \t", max_size=60)
    )
)
def test_never_raises(text: bytes | str) -> None:
    """Any bytes give a value or problems whose lines lie inside the text."""
    document = read(text)
    assert document.value is not None or document.problems or document.lines
    raw = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    assert all(1 <= p.line <= len(raw) + 1 for p in document.problems)
