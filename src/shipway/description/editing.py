"""Changes one value of a `shipway.yaml` and leaves all else as people wrote it, comments included."""

from __future__ import annotations

from pathlib import Path

import yaml

from shipway.core.errors import UsageError
from shipway.description.reader import parse


def set_value(path: Path, section: str, key: str, value: str) -> bool:
    """Whether the file had to be changed for `section.key` to be `value`.

    Raises UsageError where the value is not allowed, or the section is missing or written in braces; the file is then
    as it was.
    """
    before = path.read_text()
    try:
        after = with_value(before, section, key, value)
    except ValueError as error:
        fix = f"write it yourself, in the section {section}: {key}: {value}"
        raise UsageError(f"{path.name}: {error}", fix=fix) from error
    if after == before:
        return False
    parse(after, path.name)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(after)
    beside.replace(path)
    return True


def with_value(text: str, section: str, key: str, value: str) -> str:
    """`key: value` in a top-level section that is written as a block: in place of the old value, else as its first line.

    Raises ValueError where the section is missing or written in braces.
    """
    root = yaml.compose(text, yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    found = next((node for name, node in pairs if name.value == section), None)
    if not isinstance(found, yaml.MappingNode) or found.flow_style or not found.value:
        raise ValueError(f"there is no section {section} that is written line by line")
    for name, node in found.value:
        if name.value == key:
            return text[: node.start_mark.index] + value + text[node.end_mark.index :]
    first = found.value[0][0].start_mark
    line = text.rindex("\n", 0, first.index) + 1
    return f"{text[:line]}{' ' * first.column}{key}: {value}\n{text[line:]}"
