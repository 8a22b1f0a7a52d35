"""Bundles for tests, in a bucket as Shipway puts them there, and the parameter that offers them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from app_updates.contract.bundles import Bundle, Offer, version_of

ENTRY = "assets/index-{}.js"


def zipped(files: Mapping[str, bytes | str]) -> bytes:
    """A zip of these files."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return memory.getvalue()


def described(content: bytes, name: str = "app", native: str = "1.0.0.1") -> Bundle:
    """The metadata of a zip; `name` makes its version."""
    of_name = hashlib.sha256(name.encode()).hexdigest()
    version = version_of("1.0.0", of_name)
    return Bundle(
        version, of_name, hashlib.sha256(content).hexdigest(), len(content), native, "1.0.0", "c" * 40, 1_785_000_000.0
    )


class Bucket:
    """A folder with bundles and, beside it, the parameter of an environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "app-bundles-bucket"
        self.parameter = folder / "offer"
        self.folder.mkdir(parents=True)

    def put(self, name: str, native: str = "1.0.0.1", content: bytes | None = None, **changed: object) -> Bundle:
        """A bundle whose script is named after it; `changed` are lies of its metadata."""
        if content is None:
            content = zipped({"index.html": f"<!doctype html>{name}", ENTRY.format(name): f"'{name}'"})
        bundle = described(content, name, native)
        folder = self.folder / bundle.version
        folder.mkdir()
        (folder / "bundle.zip").write_bytes(content)
        (folder / "metadata.json").write_text(replace(bundle, **changed).text())  # type: ignore[arg-type]
        return bundle

    def offer(self, offer: Offer) -> None:
        """As Shipway writes it: a temporary file and a rename."""
        unfinished = self.parameter.with_suffix(".part")
        unfinished.write_text(offer.text())
        unfinished.replace(self.parameter)
