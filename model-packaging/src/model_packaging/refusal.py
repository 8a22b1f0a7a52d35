"""Why a model is refused, in words for the person who publishes it."""

from __future__ import annotations


class Refusal(Exception):
    """`what` says what is wrong, `fix` what to do about it."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


def would_not_serve(why: object) -> Refusal:
    """The refusal of a version that the model server's own code does not load."""
    return Refusal(
        f"the model server would not serve it: {why}",
        "correct what it names, and write the folder again as docs/model-bucket.md says",
    )
