"""What was known of records at given moments: one answer for each row, and nothing from after its moment.

Of a record's versions those count that were available by then, and of these the one of the latest event time; of two of
the same event time the one that was written later. So an answer depends on what was put, never on the order in which it
came or lies in files.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import polars as pl

from offline_features.groups import DELETED

Available = Literal["event", "write"]
"""From when on a record counts: from its event time, or only from when it was written as well."""


def known_at(
    keys: pl.Series, moments: pl.Series, records: pl.DataFrame, available: Available, ttl: float | None
) -> pl.DataFrame:
    """The features of the record that was the newest at each moment: as many rows as keys, in their order.

    `records` has the columns `_id`, `_event`, `_written` and `is_deleted` beside the features. Null where the key or
    moment is null, where nothing was known, and where it was deleted or `ttl` seconds old.
    """
    records = records.sort("_event", "_written", DELETED)
    ranked = records.select("_id", "_event", "_written").with_row_index("rank")
    known = _newest_so_far(ranked) if available == "write" else ranked.select("_id", "rank", since="_event")
    asked = pl.DataFrame({"_id": keys, "moment": moments}).with_row_index("row")
    found = (
        asked.drop_nulls()
        .sort("moment")
        # both sides are sorted above, which polars cannot check within ids
        .join_asof(known, left_on="moment", right_on="since", by="_id", check_sortedness=False)
        .select("row", "rank")
    )
    ranks = asked.join(found, on="row", how="left", maintain_order="left")["rank"]
    taken = records.select(pl.all().gather(ranks))
    gone = taken[DELETED]
    if ttl is not None:
        gone |= asked["moment"] - taken["_event"] >= timedelta(seconds=ttl)
    features = taken.drop("_id", "_event", "_written", DELETED)
    return features.select(pl.when(~gone.fill_null(True)).then(pl.all()))


def _newest_so_far(ranked: pl.DataFrame) -> pl.DataFrame:
    """For each record when it became known, and the newest one of its id that was known then.

    It was known once both its event and its writing had happened. One that is written late does not hide a newer one:
    the highest rank so far counts.
    """
    known = ranked.select("_id", "rank", since=pl.max_horizontal("_event", "_written")).sort("since", "rank")
    return known.with_columns(pl.col("rank").cum_max().over("_id"))
