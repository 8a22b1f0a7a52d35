"""Any experiment that a person can ask for."""

from __future__ import annotations

from hypothesis import strategies as st

from shipway.core.contract.wanted import Shadow
from shipway.core.experiments.experiment import Experiment

VERSIONS = st.builds("v{}.{}".format, st.integers(0, 99), st.integers(0, 99))
PERCENTS = st.integers(1, 1_000_000).map(lambda millionths: millionths / 90_000)


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    """Any experiment that a person can ask for."""
    version, *others = draw(st.lists(VERSIONS, min_size=2, max_size=11, unique=True))
    shadow = Shadow(others.pop(), draw(PERCENTS)) if draw(st.booleans()) else None
    return Experiment("prod", version, tuple((other, draw(PERCENTS)) for other in others[:9]), shadow)
