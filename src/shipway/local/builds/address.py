"""Where an artifact of this machine lies, as the text that a release stores."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from shipway.core.releases.release import Artifact


@dataclass(frozen=True, slots=True)
class Address:
    """The folder of a built tree, and that of its virtual environment; empty for a service without one."""

    tree: str
    environment: str = ""

    def text(self) -> str:
        """A URL.

        >>> Address("/app/artifacts/ab c/tree", "/app/environments/12").text()
        'file:///app/artifacts/ab%20c/tree?environment=%2Fapp%2Fenvironments%2F12'
        """
        query = urlencode({"environment": self.environment}) if self.environment else ""
        return f"file://{quote(self.tree)}" + (f"?{query}" if query else "")


def address_of(artifact: Artifact) -> Address:
    """Where the artifact lies."""
    found = urlsplit(artifact.address)
    return Address(unquote(found.path), "".join(parse_qs(found.query).get("environment", [])))
