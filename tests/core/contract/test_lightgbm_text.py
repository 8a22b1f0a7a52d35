"""How LightGBM's text is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shipway.core.contract.lightgbm_text import cut, joined, size

TEXTS = st.lists(st.sampled_from([b"tree", b"\n", b"Tree=", b"\nTree=", b"1", b"\nend of trees", b"=2 3"])).map(
    b"".join
)


@given(TEXTS)
def test_what_is_cut_is_put_together_again(text: bytes) -> None:
    """Byte by byte, whole or cut off."""
    assert text == joined(*cut(text))


def test_trees_are_as_large_as_their_text() -> None:
    """The sizes of the trees are what lies between the header and the end."""
    text = b"tree\ntree_sizes=13 9\n\nTree=0\na=b\n\n\nTree=1\n\n\nend of trees\n"
    head, trees, rest = cut(text)
    assert [13, 9] == [size(tree) for tree in trees]
    assert len(text) == len(head) + 1 + 13 + 9 + len(rest) - 1
