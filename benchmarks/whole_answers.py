"""A client of the model service that knows what each version predicts: finds answers made by two versions at once."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shipway.core.errors import ShipwayError

PATH = "/ml/predict"


class WholeAnswers:
    """Asks many rows at once, again and again, on one connection; what each version predicts is learned beforehand."""

    def __init__(self, url: str, metadata: Path) -> None:
        """`metadata` is that of any version: its golden rows are asked."""
        golden: Sequence[dict[str, Any]] = json.loads(metadata.read_text())["golden"]
        rows = [example["instance"] for example in golden]
        # As many rows as make the service work in its thread, where a swap can fall in between.
        self._body = json.dumps({"instances": rows * (1 + 400 // len(rows))})
        self._address = urlsplit(url).netloc
        self._expected: dict[str, list[float]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.asked = self.failed = self.mixed = 0
        self.first_trouble = ""

    def learn(self, version: str) -> None:
        """Remember what the version predicts, while nothing changes. Raises ShipwayError when another one answers."""
        connection = http.client.HTTPConnection(self._address, timeout=10)
        status, answer = self._ask(connection)
        connection.close()
        if status != 200 or answer["model_version"] != version:
            raise ShipwayError(f"{PATH} answered {status}, model {answer.get('model_version')}, not {version}")
        self._expected[version] = answer["predictions"]

    def start(self) -> None:
        """Ask from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        self._thread.join(20)

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=10)
        while not self._stop.wait(0.01):
            self.asked += 1
            try:
                status, answer = self._ask(connection)
            except (OSError, ValueError, http.client.HTTPException) as error:
                self._trouble("failed", str(error))
                connection.close()
                continue
            if status != 200:
                self._trouble("failed", f"{status}: {answer}")
            elif self._expected.get(answer["model_version"]) != answer["predictions"]:
                self._trouble("mixed", f"predictions are not all those of {answer['model_version']}")
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> tuple[int, dict[str, Any]]:
        connection.request("POST", PATH, self._body, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def _trouble(self, kind: str, text: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        self.first_trouble = self.first_trouble or text
