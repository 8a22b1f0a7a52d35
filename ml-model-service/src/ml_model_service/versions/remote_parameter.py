"""The wanted versions in AWS's Parameter Store or in an object of S3, asked every few seconds."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from ml_model_service.aws.addresses import S3Address
from ml_model_service.aws.clients import FAULTS, NoClient, client, code_of, told
from ml_model_service.contract.wanted import LARGEST_TEXT
from ml_model_service.versions.parameter import ParameterError, Stale

log = logging.getLogger(__name__)
INTERVAL, LONGEST, JITTER = 5.0, 40.0, 0.2
REMIND_EVERY = 60.0
_MISSING = ("ParameterNotFound", "NoSuchKey")

Ask = Callable[[], str]
"""Answers the text now, or raises one of FAULTS. May block."""


class RemoteParameter:
    """What was read last holds while AWS does not answer; failures in a row double the time to the next read."""

    def __init__(self, url: str, ask: Ask, clock: Callable[[], float] = time.time) -> None:
        self._url, self._ask, self._clock = url, ask, clock
        self._text: str | None = None
        self._reminded_at = 0.0
        self.stale: Stale | None = None
        self.failures = 0

    @property
    def interval(self) -> float:
        """Another one each time, so that tasks which were started together do not ask together."""
        in_row = self.stale.failures if self.stale else 1
        return min(INTERVAL * 2.0 ** min(in_row - 1, 10), LONGEST) * random.uniform(1 - JITTER, 1 + JITTER)

    def read(self) -> str:
        """The text now, or what it was when it could last be read. Raises ParameterError before the first time."""
        try:
            text = self._ask()
        except FAULTS as error:
            self._failed(error)
            assert self.stale is not None
            if self._text is None:
                raise ParameterError(self.stale.error) from error
            return self._text
        if self.stale is not None:
            log.info("%s is read again after %d failures in a row", self._url, self.stale.failures)
        self._text, self.stale = text, None
        return text

    def _failed(self, error: Exception) -> None:
        now, before = self._clock(), self.stale
        missing = code_of(error) in _MISSING
        why = f"there is no {self._url}" if missing else f"cannot read {self._url}: {told(error)}"
        self.failures += 1
        self.stale = Stale(why, before.failures + 1 if before else 1, before.since if before else now)
        if self._text is None:
            # whoever reads is told, and tells it
            return
        if before is None or before.error != why or not 0 <= now - self._reminded_at < REMIND_EVERY:
            self._reminded_at = now
            log.warning("%s (%d in a row); %r stays wanted", why, self.stale.failures, self._text)


def parameter_text(name: str) -> Ask:
    """Asks Parameter Store. Raises ParameterError without a region."""
    ssm = _client("ssm")
    return lambda: str(ssm.get_parameter(Name=name)["Parameter"]["Value"]).strip()


def object_text(address: S3Address) -> Ask:
    """Asks for an object, which is only sent when it was replaced since. Raises ParameterError without a region."""
    s3 = _client("s3")
    tag, text = "", ""

    def ask() -> str:
        nonlocal tag, text
        condition = {"IfNoneMatch": tag} if tag else {}
        try:
            answer = s3.get_object(Bucket=address.bucket, Key=address.prefix, **condition)
        except FAULTS as error:
            if code_of(error) == "304":
                return text
            raise
        with closing(answer["Body"]) as body:
            text = str(body.read(LARGEST_TEXT + 1).decode(errors="replace")).strip()
        tag = answer["ETag"]
        return text

    return ask


def _client(service: str) -> Any:
    try:
        return client(service)
    except NoClient as error:
        raise ParameterError(f"MODEL_VERSION_PARAMETER: {error}") from error
