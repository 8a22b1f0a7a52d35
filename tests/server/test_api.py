"""What every verb of the API answers is on record: whoever scripts against it finds it as it was."""

from __future__ import annotations

import json
from pathlib import Path

from tests.server.record import play

RECORD = Path(__file__).with_name("api.json")


def test_every_verb_answers_what_is_on_record(tmp_path: Path) -> None:
    """A wanted change is recorded anew: `python -m tests.server.record > tests/server/api.json`."""
    recorded, answers = json.loads(RECORD.read_text()), play(tmp_path.resolve())
    assert list(recorded) == list(answers)
    for asked, answer in answers.items():
        assert (asked, recorded[asked]) == (asked, answer)
