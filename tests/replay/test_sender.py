"""Questions and outcomes over kept connections, every failure counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from shipway.core.description.replay import Replay
from shipway.replay.events import Outcome, Request
from shipway.replay.sender import Counts, Sender
from tests.replay.small_app import SmallApp, serving

ROUTES = Replay(ask="/guess", tell="/guesses/{id}/weight", id="key", prediction="heavy")


def send(app: SmallApp, work: Callable[[Sender], Awaitable[None]]) -> Counts:
    """What is counted after this work."""

    async def run() -> Counts:
        async with Sender(app.url, ROUTES, connections=4, timeout=10) as sender:
            await work(sender)
            await sender.settled()
            return sender.begin_month()

    return asyncio.run(run())


async def _ask_and_tell(sender: Sender, numbers: range) -> None:
    for number in numbers:
        await sender.ask(Request(str(number), f"d-{number % 3}", b'{"parcel":%d}' % number))
    for number in numbers:
        await sender.tell(Outcome(str(number), b'{"heavy":true}', number % 2))


def test_everything_is_sent_once_and_told_to_the_one_that_asked() -> None:
    """By the id of the answer, from the same device; predictions are paired with their labels."""
    with serving() as app:
        counts = send(app, lambda sender: _ask_and_tell(sender, range(40)))
        assert (40, 40, 40, 0, 0) == (
            counts.requests, counts.answered, counts.outcomes, counts.failed, counts.unasked,
        )  # fmt: skip
        assert list(range(40)) == sorted(body["parcel"] for body in app.asked)
        assert {(f"/guesses/k-{n}/weight", f"d-{n % 3}") for n in range(40)} == {told[:2] for told in app.told}
        assert sorted((n % 10 / 10, n % 2) for n in range(40)) == sorted(counts.scored)
        assert app.connections <= 4


def test_a_failure_is_counted_and_its_outcome_not_told() -> None:
    """Once, by its kind, with an example; the others go on."""
    with serving() as app:
        app.fails = [{"parcel": 3}]
        counts = send(app, lambda sender: _ask_and_tell(sender, range(10)))
        assert (10, 9, 9, 1, 1) == (counts.requests, counts.answered, counts.outcomes, counts.failed, counts.unasked)
        assert {"status": 1} == counts.kinds
        assert ["/guess answered 500: "] == [example[:21] for example in counts.examples]


def test_nobody_who_listens_is_a_failure_for_each() -> None:
    """Nothing is tried again."""
    with serving() as app:
        pass
    counts = send(app, lambda sender: _ask_and_tell(sender, range(3)))
    assert (3, 0, {"refused": 3}, 3) == (counts.requests, counts.answered, counts.kinds, counts.unasked)


def test_an_answer_without_its_keys_is_a_failure() -> None:
    """Whoever names other keys than the app has gets no silent success."""
    with serving() as app:

        async def run() -> Counts:
            async with Sender(app.url, ROUTES.model_copy(update={"prediction": "weight"})) as sender:
                await sender.ask(Request("1", "d", b'{"parcel":1}'))
                await sender.settled()
                return sender.counts

        counts = asyncio.run(run())
        assert (0, {"body": 1}) == (counts.answered, counts.kinds)
