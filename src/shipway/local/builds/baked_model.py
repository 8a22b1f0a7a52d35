"""The model version that lies in a built tree, read from its metadata."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from shipway.core.contract.version import VERSION
from shipway.core.errors import Refused
from shipway.core.releases.release import BakedModel

_METADATA = "metadata.json"


def read_baked(tree: Path, folder: str, service: str) -> BakedModel:
    """The model baked into `folder` of a service's tree. Raises Refused when there is none, or it is damaged."""
    place = tree / folder
    bake = f"shipway model bake VERSION --service {service}, and commit"
    try:
        document = json.loads((place / _METADATA).read_bytes())
        version, file = document["version"], document["model_file"]
        digest = document["files"][file]["sha256"]
        with (place / file).open("rb") as model:
            found = hashlib.file_digest(model, "sha256").hexdigest()
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise Refused(f"{service} has no {folder}/{missing}, the model that is baked in", fix=bake) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{service}: {folder}/{_METADATA} is no model's metadata: {error}", fix=bake) from error
    if not isinstance(version, str) or not VERSION.fullmatch(version) or found != digest:
        what = f"{folder}/{file} has sha256 {found[:12]}…, its metadata says {str(digest)[:12]}…"
        raise Refused(f"{service}: {what}, version {version!r}", fix=bake)
    return BakedModel(version, found)
