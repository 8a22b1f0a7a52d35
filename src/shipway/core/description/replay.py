"""`model.replay` of shipway.yaml: the app's program that plays a past time, and how its events reach the app."""

from __future__ import annotations

from typing import Self

from pydantic import Field, ValidationInfo, model_validator

from shipway.core.description.command_line import mistakes
from shipway.core.description.values import Strict, was_stored

ID = "{id}"


class Replay(Strict):
    """A program that tells what happened, and the routes by which clients would have."""

    path: str = Field(default="training", description="folder of the program, from the folder of shipway.yaml")
    command: str = Field(default="python -m training.replay", description="prints the events, as JSON lines")
    lock: str = Field(default="requirements.lock", description="hashed lock file in the folder")
    ask: str = Field(pattern=r"^/[\x21-\x7e]*$", description="path that a prediction is asked of, by POST")
    tell: str = Field(pattern=r"^/[\x21-\x7e]*$", description="path that its outcome is told, by POST, with {id}")
    id: str = Field(default="id", description="key of the answer with the prediction's id")
    prediction: str = Field(default="prediction", description="key of the answer with the prediction, a number")

    @model_validator(mode="after")
    def _whole(self, info: ValidationInfo) -> Self:
        if was_stored(info):
            return self
        found = [f"command: {mistake}" for mistake in mistakes(self.command, filled=False)]
        if self.tell.count(ID) != 1:
            found.append(f"tell: {self.tell!r} has no {ID}, where the prediction's id goes, or more than one")
        if found:
            raise ValueError("\n".join(found))
        return self
