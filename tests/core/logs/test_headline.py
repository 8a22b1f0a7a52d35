"""The line of a log that says why a program ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.logs.headline import headline

PYTHON = """Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
    import nope
ModuleNotFoundError: No module named 'nope'
"""
NODE = """node:internal/modules/cjs/loader:1080
  throw err;
  ^

Error: Cannot find module 'express'
Require stack:
- /app/server.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1077:15)
    at node:internal/main/run_main_module:23:47 {
  code: 'MODULE_NOT_FOUND',
  requireStack: [ '/app/server.js' ]
}

Node.js v18.19.0
npm notice
npm notice New major version of npm available! 9.2.0 -> 11.0.0
npm notice Changelog: https://github.com/npm/cli/releases/tag/v11.0.0
npm notice
"""
PYTEST = """============================= test session starts ==============================
collected 2 items

tests/test_a.py .F                                                       [100%]

    def test_x():
>       assert 1 == 2
E       assert 1 == 2

=========================== short test summary info ============================
FAILED tests/test_a.py::test_x - assert 1 == 2
========================= 1 failed, 1 passed in 0.02s ==========================
"""
GO = """2026/11/26 10:00:00 listening
panic: runtime error: index out of range [3] with length 3

goroutine 1 [running]:
main.main()
	/app/main.go:8 +0x1d
exit status 2
"""
UVICORN = """INFO:     Started server process [4711]
ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use
INFO:     Waiting for application shutdown.
INFO:     Application shutdown complete.
"""
PINO = """{"level":30,"time":1795000000000,"msg":"starting"}
{"level":60,"time":1795000000100,"msg":"DATABASE_URL is not set"}
{"level":30,"time":1795000000200,"msg":"bye"}
"""


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (PYTHON, "ModuleNotFoundError: No module named 'nope'"),
        (PYTHON + "\n\n", "ModuleNotFoundError: No module named 'nope'"),
        (PYTHON + "shutting down\n[notice] A new release of pip is available\n", "ModuleNotFoundError: No module named 'nope'"),
        (NODE, "Error: Cannot find module 'express'"),
        (PYTEST, "FAILED tests/test_a.py::test_x - assert 1 == 2"),
        (GO, "panic: runtime error: index out of range [3] with length 3"),
        (UVICORN, "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use"),
        (PINO, "error: DATABASE_URL is not set"),
        ("sh: 1: gunicorn: not found\n", "sh: 1: gunicorn: not found"),
        ("error TS2304: Cannot find name 'x'.\nnpm ERR! code 2\nnpm ERR! A complete log of this run can be found in: /x\n", "error TS2304: Cannot find name 'x'."),
        ("building\n 10%|█         | 1/10\r100%|██████████| 10/10\n", "building"),
        ("\x1b[31mError: bad port\x1b[0m\n\x1b[2mnpm notice hello\x1b[0m\n", "Error: bad port"),
        ("just what it says\n\n\n", "just what it says"),
        ("npm notice\n----------\n\n", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_the_line_that_says_why_is_the_headline(log: str, expected: str) -> None:
    """Neither blank lines, progress bars, notices nor the end of a stack."""
    assert expected == headline(log.splitlines())


@given(st.lists(st.text(max_size=80), max_size=12))
def test_a_headline_is_one_of_the_lines(lines: list[str]) -> None:
    """Whatever a program writes, choosing ends, and answers a line of it or nothing."""
    assert "\n" not in headline([line.replace("\n", "") for line in lines])
