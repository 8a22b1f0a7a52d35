"""Command lines: what runs as a list of words, and what only a shell would understand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.description.command_line import mistakes, value_mistakes, words


@pytest.mark.parametrize(
    ("command", "beginnings"),
    [
        ("uvicorn app:app --port $PORT", ["$PORT is not filled in; write {port}; commands run as a list of words"]),
        ("uvicorn app:app --port ${PORT}", ["${PORT} is not filled in; write {port}"]),
        ("uvicorn app:app --port ${PORT:-8000}", ["${PORT:-8000} is not filled in"]),
        ('python app.py "$PORT"', ["$PORT is not filled in; write {port}"]),
        ("python app.py --home $HOME", ["$HOME is not filled in; commands run"]),
        ("python app.py --at $(date)", ["$(date) is not filled in"]),
        ("python app.py --at `date`", ["`date` is not filled in"]),
        ("python app.py --port {PORT}", ["no placeholder {PORT}; write {port}"]),
        (
            "python app.py --port {prot}",
            ["no placeholder {prot}; allowed: {port}, {host}, {data}, {bucket}, {buckets}"],
        ),
        ("cd src", ["`cd` is a shell's word, not a program; paths begin in the service's folder"]),
        ("cd src && python app.py", ["`cd` is a shell's word", "`&&` means something to a shell only"]),
        ("exec python app.py", ["`exec` is a shell's word"]),
        ("source .venv/bin/activate", ["`source` is a shell's word"]),
        ("(python app.py)", ["`(python` is a shell's word"]),
        ("A=1 python app.py", ["A=1 is not a program: set variables under `env:`, or write: env A=1 …"]),
        ("python app.py | tee log", ["`|` means something to a shell only"]),
        ("python app.py|tee log", ["`|` means something to a shell only"]),
        ("python a.py || python b.py", ["`||` means"]),
        ("python a.py; python b.py", ["`;` means"]),
        ("python app.py &", ["`&` means"]),
        ("python app.py > log", ["`>` means"]),
        ("python app.py 2>&1", ["`2>&1` means"]),
        ("python app.py >>log", ["`>>log` means"]),
        ("python app.py < input", ["`<` means"]),
        ("python app.py ~/settings", ["~/settings: ~ is not filled in"]),
        ("python a.py\npython b.py", ["several lines; write one command on one line"]),
        ("python app.py --port $port", ["$port is not filled in; write {port}"]),
        ("python app.py --port {port} # the port", ["# the port is a comment to a shell only"]),
        ("sh -c \u201cexec app\u201d", ["\u201c is a typographic quotation mark; write ' or \""]),
        ("   ", ["the command is empty"]),
        ("python 'x", ["no closing quotation"]),
        ("sh -c 'exec app --port {PORT}'", ["no placeholder {PORT}; write {port}"]),
    ],
)
def test_what_only_a_shell_understands_is_a_mistake(command, beginnings):
    """Each sentence names what was found and what to write instead."""
    found = list(mistakes(command))
    assert [True] * len(beginnings) == [a.startswith(b) for a, b in zip(found, beginnings, strict=True)], found


@pytest.mark.parametrize(
    "command",
    [
        "python -m web --port {port}",
        "gunicorn -b 127.0.0.1:{port} 'web:create_app()'",
        "uvicorn web:app --port {port} --forwarded-allow-ips *",
        "sh -c 'cd src && exec python app.py --port $PORT'",
        'bash -ec "exec python app.py --port $PORT 2>&1 | tee log"',
        "/bin/sh -c 'python a.py; python b.py'",
        "env A=1 python app.py",
        "env A=1 sh -c 'exec python app.py $A'",
        "python -c 'import os; print({1: 2} | {3: 4}, f\"{os.sep}\")'",
        "pytest -k 'a and not b' --junitxml=out.xml",
        "pytest -k 'a|b' --ignore=x&y;z",
        "python app.py --package 'x>=1' y>=2 --pattern ^a$ --price '$5' \\$HOME",
        "./start.sh",
        "python app.py --colour '#fff' --page=a#b",
        "node server.js --url=http://localhost/?a=1&b=2",
        "sh -c '\n  set -e\n  exec app\n'",
    ],
)
def test_what_runs_without_a_shell_passes(command):
    """Quoted signs are for the program, and a shell that is asked for gets its own."""
    assert [] == list(mistakes(command))


def test_a_test_has_no_placeholders():
    """No task runs then, so there is nothing to fill in."""
    (found,) = mistakes("pytest --port {port}", filled=False)
    assert "{port} is not filled in here, only in `command`, `before_traffic` and `env`" == found
    assert [] == list(mistakes("pytest -k {other}", filled=False))


@given(st.text(alphabet="ab $&|;<>(){}'\"\\`~=\n-c*", max_size=30))
def test_any_text_is_words_or_has_a_mistake(command):
    """What passes can be taken apart, and names a program."""
    if not list(mistakes(command)):
        assert words(command)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("127.0.0.1:{port} in {environment}", []),
        ('{"a": "{NAME}", "b": "$HOME", "c": "pa$$word"}', []),
        ("{PORT}", ["no placeholder {PORT}; write {port}"]),
        (":$PORT", ["$PORT is not filled in; write {port}"]),
        ("${PORT}", ["${PORT} is not filled in; write {port}"]),
        ("{dta}", ["no placeholder {dta}; allowed: {port}, {host}, {data}, {bucket}, {buckets}, {environment}"]),
    ],
)
def test_a_variable_that_looks_filled_in_and_is_not_is_a_mistake(value, expected):
    """Values go to tasks as they stand, but for the placeholders."""
    assert expected == list(value_mistakes(value))
