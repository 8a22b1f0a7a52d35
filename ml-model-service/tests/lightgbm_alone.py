"""LightGBM without scikit-learn and pandas, whose import takes a second of each build and which no test asks it for."""

from __future__ import annotations

import sys
from typing import Any, cast

_LEFT_OUT = ("sklearn", "pandas")
sys.modules.update(dict.fromkeys(_LEFT_OUT, cast(Any, None)))
import lightgbm  # noqa: E402

for _name in _LEFT_OUT:
    del sys.modules[_name]

__all__ = ["lightgbm"]
