"""The command lines of `shipway.yaml`: lists of words, run without a shell. Shell syntax is reported as a mistake."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise

PLACEHOLDERS = ("port", "host", "data", "bucket", "buckets", "environment")
"""Words in braces that a command or an `env` value may hold; the target fills them in."""
NO_SHELL = "commands run as a list of words, without a shell; where one is wanted, write: sh -c 'exec …'"

_SHELLS = ("sh", "bash", "dash", "ash", "ksh", "zsh")
_SHELL_WORDS = frozenset(
    [
        "cd",
        "export",
        "source",
        ".",
        "exec",
        "set",
        "unset",
        "eval",
        "alias",
        "umask",
        "ulimit",
        "trap",
        "if",
        "for",
        "while",
        "until",
        "case",
        "function",
        "{",
        "!",
        ":",
    ]
)
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=.*", re.DOTALL)
_SINGLE = re.compile(r"'[^']*'|\\.", re.DOTALL)
_DOUBLE = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)
_QUOTED = re.compile(rf"{_SINGLE.pattern}|{_DOUBLE.pattern}", re.DOTALL)
_OPERATOR = re.compile(r"&&|\|\|?|;(?=\s|$)|(?<!\S)(?:&(?!\S)|[0-9&]?(?:>>?|<<?<?)\S*)")
_EXPANSION = re.compile(r"\$(?:\{\w+[^}]*\}|\w+|\([^)]*\)?)|`[^`]*`?")
_COMMENT = re.compile(r"(?<!\S)#.*")
_TYPOGRAPHIC = re.compile("[\u2018\u2019\u201c\u201d]")
_HOME = re.compile(r"(?<!\S)~/\S*")
_BRACES = re.compile(r"(?<!\$)\{(\w+)\}")


def words(text: str) -> list[str]:
    """A command line's words. Raises ValueError for a quotation that is not closed."""
    return shlex.split(text)


def mistakes(text: str, *, filled: bool = True) -> Iterator[str]:
    """A sentence for each thing that keeps a command line from running. `filled`: placeholders are filled in."""
    try:
        argv = words(text)
    except ValueError as error:
        yield str(error).lower()
        return
    if not argv:
        yield "the command is empty; name a program"
        return
    if found := _TYPOGRAPHIC.search(text):
        yield f"{found[0]} is a typographic quotation mark; write ' or \""
    yield from _program_mistakes(argv)
    inner = _runs_code(argv)
    yield from _placeholder_mistakes(text, filled=filled, lenient=inner)
    if not inner:
        yield from _shell_mistakes(text)


def value_mistakes(value: str) -> Iterator[str]:
    """A sentence for each thing in a variable's value that looks like a placeholder and would not be filled in."""
    allowed = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    for word in dict.fromkeys(_BRACES.findall(value)):
        if word not in PLACEHOLDERS and word.lower() in PLACEHOLDERS:
            yield f"no placeholder {{{word}}}; write {{{word.lower()}}}"
        elif word not in PLACEHOLDERS and re.fullmatch(r"[a-z_]+", word):
            yield f"no placeholder {{{word}}}; allowed: {allowed}"
    if found := re.search(r"\$(?:PORT\b|\{PORT\})", value, re.IGNORECASE):
        yield f"{found[0]} is not filled in; write {{port}}"


def _program_mistakes(argv: Sequence[str]) -> Iterator[str]:
    program = argv[0]
    if _ASSIGNMENT.fullmatch(program):
        yield f"{program} is not a program: set variables under `env:`, or write: env {program} …"
    elif program in _SHELL_WORDS or program.startswith("("):
        place = "; paths begin in the service's folder" if program == "cd" else ""
        yield f"`{program}` is a shell's word, not a program{place}; {NO_SHELL}"


def _shell_mistakes(text: str) -> Iterator[str]:
    if "\n" in _QUOTED.sub("''", text.strip()):
        yield f"several lines; write one command on one line; {NO_SHELL}"
    if found := _OPERATOR.search(_QUOTED.sub("''", text)):
        yield f"`{found[0]}` means something to a shell only; {NO_SHELL}; or put it in quotes"
    if found := _EXPANSION.search(_SINGLE.sub("''", text)):
        port = "; write {port}" if found[0].strip("${}").upper() == "PORT" else ""
        yield f"{found[0]} is not filled in{port}; {NO_SHELL}"
    if found := _COMMENT.search(_QUOTED.sub("''", text)):
        yield f"{found[0]} is a comment to a shell only; the program would get its words"
    if found := _HOME.search(_QUOTED.sub("''", text)):
        yield f"{found[0]}: ~ is not filled in; {NO_SHELL}"


def _placeholder_mistakes(text: str, *, filled: bool, lenient: bool) -> Iterator[str]:
    allowed = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    for word in dict.fromkeys(_BRACES.findall(text)):
        known = word.lower() in PLACEHOLDERS
        if known and not filled:
            yield f"{{{word}}} is not filled in here, only in `command`, `before_traffic` and `env`"
        elif known and word not in PLACEHOLDERS:
            yield f"no placeholder {{{word}}}; write {{{word.lower()}}}"
        elif not known and filled and not lenient:
            yield f"no placeholder {{{word}}}; allowed: {allowed}"


def _runs_code(argv: Sequence[str]) -> bool:
    """Whether one of the words is code for a shell or an interpreter, which has a syntax of its own."""
    return "-c" in argv or any(
        program.rsplit("/", 1)[-1] in _SHELLS and re.fullmatch(r"-[a-z]*c[a-z]*", option)
        for program, option in pairwise(argv)
    )
