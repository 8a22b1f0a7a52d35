"""Pages that commands write where people ask for them: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from shipway.cli.terminal import tell
from shipway.core.errors import UsageError, explained


def page_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--html`."""
    return click.option(
        "--html",
        "page",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write it there as a page, too: one file, without network and scripts.",
    )


def write_page(page: Path, html: str) -> None:
    """Write a page in the place of one that may be there. Raises UsageError where it can't be."""
    new = page.with_name(f".{page.name}.{os.getpid()}.new")
    try:
        new.write_text(html, encoding="utf-8")
        new.replace(page)
    except FileNotFoundError:
        raise UsageError(f"{page} can't be written: its folder is not there", fix=f"mkdir -p {page.parent}") from None
    except PermissionError as error:
        fix = f"name a file in a folder of yours: --html ~/{page.name}"
        raise UsageError(f"{page} can't be written: {error.strerror}", fix=fix) from None
    except OSError as error:
        raise explained(error) from error
    finally:
        new.unlink(missing_ok=True)
    tell(f"  ✔ wrote {page}")
