"""Reads of Feast's SQLite store: by the store itself, and by what its users call."""

from __future__ import annotations

import sys
import warnings
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Float64
from reads import GROUP, IDS, NAMES, serve


def main(folder: Path) -> None:
    """As many records as ours, with as many numbers in each."""
    file = folder / "records.parquet"
    records = pd.DataFrame({"id": IDS, "at": pd.Timestamp("2013-07-04T11:00:00", tz="UTC")})
    for number, name in enumerate(NAMES):
        records[name] = [index + number + 0.5 for index in range(len(IDS))]
    records.to_parquet(file)
    source = FileSource(path=str(file), timestamp_field="at")
    entity = Entity(name="id", join_keys=["id"], value_type=ValueType.STRING)
    schema = [Field(name=name, dtype=Float64) for name in NAMES]
    view = FeatureView(name=GROUP, entities=[entity], ttl=timedelta(0), schema=schema, source=source)
    config = RepoConfig(
        project="benchmark", registry=str(folder / "registry.db"), provider="local",
        online_store={"type": "sqlite", "path": str(folder / "online.db")}, offline_store={"type": "file"},
        entity_key_serialization_version=3,
    )  # fmt: skip
    store = FeatureStore(config=config)
    store.apply([entity, view])
    store.write_to_online_store(GROUP, records)
    provider = store._get_provider()
    names = [f"{GROUP}:{name}" for name in NAMES]

    def online_read(id: str) -> None:
        key = EntityKey(join_keys=["id"], entity_values=[Value(string_val=id)])
        ((_, found),) = provider.online_read(config, view, [key], NAMES)
        assert found is not None
        assert found["f0"].double_val > 0

    def get_online_features(id: str) -> None:
        found = store.get_online_features(features=names, entity_rows=[{"id": id}]).to_dict()
        assert found["f0"][0] > 0

    serve({"online_read": online_read, "get_online_features": get_online_features})


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
