"""The contract is part of other programs, under other names."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from shipway.core import contract


def test_it_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    """A copy of its folder alone is imported whole, as another package's, where nothing is installed."""
    folder = Path(contract.__file__).parent
    shutil.copytree(folder, tmp_path / "other" / "agreed")
    modules = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    imports = "; ".join(f"import other.agreed.{name}" for name in modules)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {imports}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert {"bundles", "cohorts", "distribution", "lightgbm_text", "schema", "version", "wanted"} <= set(modules)
    assert [] == [name for name in done.stdout.split() if name.partition(".")[0] == "shipway"]
