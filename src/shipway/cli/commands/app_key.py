"""`app key`: the key that signs bundles, made and kept as a secret."""

from __future__ import annotations

import os
from pathlib import Path

import click

from shipway.cli import options
from shipway.cli.here import client as client_here
from shipway.cli.render.secrets import change_lines
from shipway.cli.signing_key import make_key_pair
from shipway.cli.terminal import say, say_json, tell
from shipway.core.contract.bundles import SIGNING_KEY
from shipway.core.errors import Refused, UsageError


@click.command()
@options.environment(required=True, help="The environment whose bundles it signs.")
@click.option(
    "--copy", type=click.Path(path_type=Path), metavar="FILE", help="Keep the private half in a new file, too."
)
@options.why()
@click.option("--replace", is_flag=True, help="Make another key in place of the one that is there.")
@options.as_json()
def key(environment: str, *, copy: Path | None, why: str, replace: bool, as_json: bool) -> int:
    """Make the key that signs bundles, and print its public half.

    The private half becomes the secret APP_SIGNING_KEY, and is never shown. The public half goes into the native app:
    `shipway app key --env prod > mobile-app/config/keys/prod.pem`. Without its key an environment's devices can't be
    given anything any more, so `--copy` keeps the private half where you keep what must not be lost.
    """
    client = client_here()
    if not replace and _is_set(client.get("environments", environment, "secrets")["secrets"]):
        raise Refused(
            f"{environment} has a key: native apps that were built with its public half take no bundle that another signed",
            fix=f"leave it; where it must be changed all the same: shipway app key --env {environment} --replace",
            state="nothing changed",
        )
    pair = make_key_pair()
    if copy is not None:
        _keep(copy, pair.private)
    change = client.post("environments", environment, "secrets", SIGNING_KEY, value=pair.private, why=why)
    if as_json:
        say_json({**change, "public_key": pair.public})
    else:
        tell(change_lines(change, "set"))
        say(pair.public.splitlines(), as_written=True)
    return 0


def _is_set(secrets: list[dict[str, object]]) -> bool:
    return any(secret["name"] == SIGNING_KEY and secret["set_at"] is not None for secret in secrets)


def _keep(file: Path, private: str) -> None:
    """Write the file, which only its owner may read. Raises UsageError where it can't be written, or is there already."""
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(private)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise UsageError(
            f"--copy: {file}: {error.strerror}", fix="name a new file, in a folder that is there"
        ) from error
