"""A short run of the fuzzer on every build; `python -m tests.fuzz_decoders` runs as long as one likes."""

from __future__ import annotations

import pytest
from hypothesis import given

from fuzz_decoders import SEEDS, bodies, check_body, fuzz_headers
from ml_model_service.formats.media_types import Kind


@pytest.mark.parametrize(("kind", "body"), SEEDS)
def test_the_fuzzer_begins_with_good_bodies(kind: Kind, body: bytes) -> None:
    """All that is mutated was right before."""
    assert check_body(kind, body)


@pytest.mark.slow
@given(bodies)
def test_any_body_is_read_or_refused(body: tuple[Kind, bytes]) -> None:
    """No body makes a decoder fail otherwise than by saying why, and what reads bodies agrees on what they hold."""
    check_body(*body)


@pytest.mark.slow
def test_any_header_is_read_or_refused() -> None:
    """No Content-Type or Accept header makes the negotiation fail."""
    fuzz_headers()
