"""Parquet files as batches of columns, one thread and one batch at a time, so that memory does not grow with rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from model_monitoring.problems import Problem
from model_monitoring.summary import Column, Summary

ROWS = 1 << 16
"""Rows of a batch."""
Places = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True)
class Arrow:
    """A record batch."""

    rows: pa.RecordBatch

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    @property
    def names(self) -> Sequence[str]:
        """The columns' names."""
        return list(self.rows.schema.names)

    def add_to(self, summary: Summary, names: dict[str, str]) -> None:
        """Add the columns that `names` names to the summary, by the names that it gives them."""
        for name, named in names.items():
            _add(summary.column(named), self.rows.column(name))
        summary.add_rows(names.values(), len(self))

    def values(self, name: str) -> Sequence[Any]:
        """A column's values: numbers, texts, times, None."""
        values: list[Any] = self.rows.column(name).to_pylist()
        return values

    def take(self, places: Places) -> Arrow:
        """The rows at these places."""
        return Arrow(self.rows.take(pa.array(places)))


def of_file(path: Path) -> Iterator[Arrow]:
    """The file's rows, some ten thousand at a time. Raises Problem for what is no Parquet file."""
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            schema = file.schema_arrow
            texts = [
                field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
            ]
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20, read_dictionary=texts) as file:
            for rows in file.iter_batches(ROWS, use_threads=False):
                yield Arrow(rows)
    except pa.ArrowException as error:
        raise Problem(f"{path.name}: {str(error).splitlines()[0]}") from None


def _add(column: Column, values: pa.Array) -> None:
    kind = values.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        # A null becomes NaN, as in rows.
        doubles = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        column.add_numbers(doubles, is_integral=pa.types.is_integer(kind))
    elif pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type):
        indices = values.indices.drop_null().to_numpy(zero_copy_only=False)
        counts = np.bincount(indices, minlength=len(values.dictionary)).tolist()
        texts = zip(values.dictionary.to_pylist(), counts, strict=True)
        column.add_texts({text: count for text, count in texts if count}, values.null_count)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        counted = Counter(
            dict(zip(*(part.to_pylist() for part in pc.value_counts(values.drop_null()).flatten()), strict=True))
        )
        column.add_texts(counted, values.null_count)
    else:
        column.missing += values.null_count
        column.other += len(values) - values.null_count
