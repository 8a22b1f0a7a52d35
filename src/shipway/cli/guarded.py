"""A question before a command changes an environment that has an approval policy."""

from __future__ import annotations

from shipway.cli.client.protocol import Client
from shipway.cli.terminal import confirm


def confirm_in(client: Client, environment: str, question: str, *, yes: bool) -> None:
    """Ask the person, unless `yes` was said or the environment needs nobody's approval. Raises Refused for a no."""
    confirm(question, yes or not _is_guarded(client, environment))


def _is_guarded(client: Client, name: str) -> bool:
    return any(e["name"] == name and e["approval"] for e in client.get("status")["environments"])
