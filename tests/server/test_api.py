"""What every verb of the API answers is on record: whoever scripts against it finds it as it was."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.doubles.api import Api
from tests.server.record import play

RECORD = Path(__file__).with_name("api.json")


def test_every_verb_answers_what_is_on_record(tmp_path: Path) -> None:
    """A wanted change is recorded anew: `python -m tests.server.record > tests/server/api.json`."""
    recorded, answers = json.loads(RECORD.read_text()), play(tmp_path.resolve())
    assert list(recorded) == list(answers)
    for asked, answer in answers.items():
        assert (asked, recorded[asked]) == (asked, answer)


def test_every_verb_is_on_record(tmp_path: Path) -> None:
    """Nobody adds one without saying what it answers."""
    recorded = list(json.loads(RECORD.read_text()))
    api = Api(tmp_path.resolve())
    api.close()
    for method, path in api.routes:
        pattern = re.compile(rf"\d+ {method} {re.sub('{[^}]*}', '[^/?]+', path)}([? ]|$)")
        assert any(pattern.match(asked) for asked in recorded), f"{method} {path}"
