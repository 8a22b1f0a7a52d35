"""The load client in a process of its own, steered and listened to by the player."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shipway.core.errors import ShipwayError
from shipway.demo.question import Question
from shipway.demo.story import LoadPolicy

Progress = Mapping[str, Any]


class SteeredLoad:
    """A running load. `progress` is the newest of its reports, a few a second."""

    def __init__(
        self,
        url: str,
        question: Question,
        policy: LoadPolicy,
        folder: Path,
        step: str,
        show: Callable[[Progress], None],
    ) -> None:
        question_file = folder / f"question-{step.replace(' ', '-')}.json"
        question_file.write_text(json.dumps(asdict(question)))
        words = ["--url", url, "--question", str(question_file), "--rate", str(policy.rate), "--control"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "shipway.demo.load", *words, "--devices", str(policy.devices), "--step", step],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self.progress: Progress = {"sent": 0, "failed": 0, "releases": {}, "versions": {}}
        self._summary: Mapping[str, Any] | None = None
        self._show = show
        self._news = threading.Condition()
        self._listener = threading.Thread(target=self._listen, name="load", daemon=True)
        self._listener.start()

    def mark(self, step: str) -> None:
        """What is sent from now on belongs to `step`."""
        self._say(f"mark {step}")

    def wait_for(self, what: str, wanted: Callable[[Progress], bool], timeout: float) -> Progress:
        """The first report from now on that is as wanted. Raises ShipwayError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._news:
            while self._news.wait(max(0.0, deadline - time.monotonic())):
                if self._summary is not None:
                    raise ShipwayError(f"the load client ended while the demo waited for {what}")
                if wanted(self.progress):
                    return self.progress
        raise ShipwayError(f"{what}: not seen within {timeout:g} s; the last report: {json.dumps(self.progress)}")

    def stop(self) -> Mapping[str, Any]:
        """End the load; its summary."""
        self._say("stop")
        self._listener.join(timeout=30)
        self.kill()
        if not self._summary:
            raise ShipwayError("the load client ended without a summary")
        return self._summary

    def kill(self) -> None:
        """End it at once, if it still runs."""
        self._process.kill()
        self._process.wait(timeout=10)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise ShipwayError("the load client ended before it was told to") from error

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            news = json.loads(line)
            with self._news:
                if news["event"] == "progress":
                    self.progress = news
                    self._show(news)
                elif news["event"] == "summary":
                    self._summary = news
                self._news.notify_all()
        with self._news:
            self._summary = self._summary or {}
            self._news.notify_all()
