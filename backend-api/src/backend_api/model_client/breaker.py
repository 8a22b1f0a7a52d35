"""When a route that does not answer is left alone, and when it is tried again: a rule, the clock is the caller's."""

from __future__ import annotations

from typing import Literal

State = Literal["closed", "open", "half_open"]


class Breaker:
    """A circuit breaker for one of two routes: it sends clients to the other one, it refuses nobody.

    A route without another beside it has no use for one: an open breaker would only turn maybes into refusals. What
    counts is whether the route answers; an answer that is no use is one, and so is the model's own "no".
    """

    def __init__(self, failures: int, cool_down: float) -> None:
        """Opens after so many failures in a row; a probe no sooner than `cool_down` seconds after the last failure."""
        self.state: State = "closed"
        self._failures_to_open = failures
        self._cool_down = cool_down
        self._failures = 0
        self._probe_at = 0.0
        # The last closing, or the start of the probe: failures of requests that began before are no news.
        self._since = float("-inf")

    def admits(self, now: float, deadline: float) -> bool:
        """Whether to ask this route rather than the other; where it is open, whoever hears yes is its one probe."""
        if self.state == "closed":
            return True
        if now < self._probe_at:
            return False
        self.state = "half_open"
        self._since = now
        # A probe of which nothing is heard again (its task was cancelled) is one that failed at its deadline.
        self._probe_at = deadline + self._cool_down
        return True

    def answered(self, now: float) -> bool:
        """Any answer, whoever asked and whenever: the route answers now. True where this closes it."""
        self._failures = 0
        if self.state == "closed":
            return False
        self.state = "closed"
        self._since = now
        return True

    def failed(self, began: float, now: float) -> bool:
        """A client who was sent here got no answer. True where this opens it."""
        if self.state != "closed" or began < self._since:
            return False
        self._failures += 1
        if self._failures < self._failures_to_open:
            return False
        self._open(now)
        return True

    def still_unreachable(self, began: float, now: float) -> None:
        """A request got no answer, whoever asked: ends a probe, and opens nothing that is closed."""
        if self.state == "half_open" and began >= self._since:
            self._open(now)

    def _open(self, now: float) -> None:
        self.state = "open"
        self._probe_at = now + self._cool_down
