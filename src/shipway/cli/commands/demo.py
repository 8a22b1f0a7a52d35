"""`demo`: the whole story in a throwaway folder."""

from __future__ import annotations

import click

from shipway.cli import options


@click.command()
@click.option("--keep", is_flag=True, help="Leave it running at the end and say how to stop it.")
@click.option("--clear", is_flag=True, help="Play nothing: stop and remove what earlier demos left.")
@options.as_json()
def demo(keep: bool, clear: bool, as_json: bool) -> int:
    """Play the whole story in a throwaway folder.

    Under steady load: first release, a good commit, a bad one that is rolled back, a new model, a killed control
    plane; each step with the requests that it sent and lost. Exit code 1 when a promise broke.
    """
    from shipway.demo import play  # heavy: only where it is needed

    return play.clear(as_json=as_json) if clear else play.main(as_json=as_json, keep=keep)
