"""The infrastructure of the AWS target: Terraform over what came with this Shipway."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import shipway
from shipway.aws.infra import FOLDER, TerraformRoots
from shipway.aws.terraform import Terraform
from shipway.core.description import DESCRIPTION
from shipway.description import editing
from shipway.description.reader import load


def infrastructure(root: Path, tell: Callable[[str], None], *, colour: bool) -> TerraformRoots:
    """That of the app in `root`."""
    description = root / DESCRIPTION
    resize = partial(editing.set_value, description, "aws", "size")
    return TerraformRoots(root, partial(load, description), resize, _templates(), Terraform(tell, colour=colour))


def _templates() -> Path:
    """Roots and modules: in an installed wheel, or in the checkout."""
    package = Path(shipway.__file__).parent
    installed = package / FOLDER
    return installed if installed.is_dir() else package.parent.parent / FOLDER
