"""Programs that run in environments of their own, and what converts models with them."""

from __future__ import annotations

from pathlib import Path

import shipway
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.registry.packer import Packer


def programs() -> Path:
    """The folder of these programs: in an installed wheel, or in the checkout."""
    package = Path(shipway.__file__).parent
    installed = package / "programs"
    return installed if installed.is_dir() else package.parent.parent


def packer(environments: PythonEnvironments) -> Packer:
    """What converts, checks and compares models on this machine."""
    return Packer(lambda lock, tell: environments.python(lock, "model packaging", tell), programs())
