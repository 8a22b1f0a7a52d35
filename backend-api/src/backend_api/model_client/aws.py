"""Where SageMaker Runtime is and with what its requests are signed, found where every AWS SDK looks for it.

Imported only by a task that has an endpoint: botocore takes a third of a second of CPU and 17 MB.
"""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, NoRegionError
from botocore.session import Session

from backend_api.config.settings import WrongSetting, http_address
from backend_api.logs import Logger

RENEW_EVERY = 15.0
"""Seconds; botocore itself knows when credentials near their end, this is how often it is asked."""
_FIRST_WAIT = 5.0


@dataclass(frozen=True)
class Runtime:
    """SageMaker Runtime of one region."""

    session: Session
    url: str
    region: str
    signing_name: str

    @classmethod
    def find(cls) -> Runtime:
        """Asks nobody over the network. Raises WrongSetting."""
        try:
            session = Session()
            # The region by both its names: botocore itself reads AWS_DEFAULT_REGION only.
            region = os.environ.get("AWS_REGION") or None
            # Keys are given so that none are looked for yet, which may block.
            client = session.create_client(
                "sagemaker-runtime", region, aws_access_key_id="unused", aws_secret_access_key="unused"
            )
            url = http_address(client.meta.endpoint_url)
        except NoRegionError as error:
            raise WrongSetting("AWS_REGION: SAGEMAKER_ENDPOINT needs a region, found none") from error
        except (BotoCoreError, ValueError) as error:
            raise WrongSetting(f"SAGEMAKER_ENDPOINT: AWS's own settings are unusable: {error}") from error
        meta = client.meta
        return cls(session, url, meta.region_name, meta.service_model.signing_name)


class Credentials:
    """A frozen copy, renewed by a thread: finding and renewing them may block, which the event loop must not."""

    def __init__(self, session: Session, log: Logger) -> None:
        self.frozen: ReadOnlyCredentials | None = None
        self.fault = "no AWS credentials were found yet"
        self._session = session
        self._log = log
        self._looked = threading.Event()
        self._stop = threading.Event()
        # A daemon: nothing that a provider waits for may hold up the end of the process.
        self._thread = threading.Thread(target=self._renew, name="credentials", daemon=True)

    async def start(self) -> None:
        """Returns once the first look is over, or takes too long; requests before it would only fail."""
        self._thread.start()
        await asyncio.to_thread(self._looked.wait, _FIRST_WAIT)

    def stop(self) -> None:
        """No further renewal."""
        self._stop.set()

    def _renew(self) -> None:
        told = None
        while not self._stop.is_set():
            fault = self._look()
            if fault is not None and fault != told:
                self._log.error("credentials", message=fault)
                self.fault = fault
            told = fault
            self._looked.set()
            self._stop.wait(RENEW_EVERY)

    def _look(self) -> str | None:
        """Why there are no new credentials; the old ones are kept, and AWS says when they have expired."""
        try:
            found = self._session.get_credentials()
            if found is None:
                return "no AWS credentials were found"
            self.frozen = found.get_frozen_credentials()
        except Exception as error:  # providers run programs, read files and ask services: all raise their own
            return f"no AWS credentials could be had ({type(error).__name__})"
        return None
