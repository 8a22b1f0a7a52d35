"""The verbs of feature records, by SageMaker's rules: a whole record, of a moment, the newest online, all in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shipway.core.access.roles import check_known, check_role
from shipway.core.description.app import App
from shipway.core.description.feature_group import FeatureGroup
from shipway.core.desk import FeatureDesk, Tell
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.features import MOST_AT_ONCE
from shipway.core.features.join import FeatureJoin
from shipway.core.features.record import Record, checked, checked_id, event_time
from shipway.core.views.learning import FeatureGroupView, FeaturesCompacted, FeaturesJoined, FeaturesPut
from shipway.pipeline.parts import Parts

MOST_ARRIVALS = 20_000
"""Records that lie in the store's database before they are taken into files without being asked."""


class PipelineFeatures(FeatureDesk):
    """The verbs over a target's `FeatureStore`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.features

    def groups(self, environment: str) -> Sequence[FeatureGroupView]:
        check_known(self._app, environment)
        counts = self._store.counts(environment, self._parts.clock())
        return [FeatureGroupView(name, group, counts.get(name, 0)) for name, group in self._app.features.items()]

    def put(self, environment: str, group: str, records: Sequence[Mapping[str, object]], who: str) -> FeaturesPut:
        declared = self._group(environment, group)
        check_role(self._app, environment, who, "put feature records into")
        _check_number(group, len(records))
        given = [checked(group, declared, record) for record in records]
        kept = {(record.id, record.event_time) for record in self._store.put(environment, given)}
        older = [record.id for record in given if (record.id, record.event_time) not in kept]
        return FeaturesPut(environment, group, len(given) - len(older), tuple(dict.fromkeys(older)))

    def get(self, environment: str, group: str, ids: Sequence[str], names: Sequence[str]) -> Sequence[Record]:
        declared = self._group(environment, group)
        if unknown := [name for name in names if name not in declared.types]:
            raise UsageError(f"{group} has no feature {unknown[0][:80]!r}; it has: {', '.join(declared.types)}")
        _check_number(group, len(ids))
        found = self._store.get(environment, group, [checked_id(group, declared, id) for id in ids])
        now = self._parts.clock()
        return [_with_only(record, names) for record in found if record.is_there(now)]

    def delete(self, environment: str, group: str, id: str, at: str, who: str, *, hard: bool) -> None:
        declared = self._group(environment, group)
        check_role(self._app, environment, who, "delete feature records from")
        moment = event_time(f"{group}.{declared.event_time}", at)
        deleted = Record(group, checked_id(group, declared, id), moment, deleted=True)
        if not self._store.delete(environment, deleted, hard=hard):
            raise Refused(
                f"{group} {id} has a record of {at} or later",
                fix="give a later moment, which deletes it",
                state="the record is still there",
            )

    def compact(self, environment: str, tell: Tell) -> FeaturesCompacted:
        check_known(self._app, environment)
        return FeaturesCompacted(environment, self._parts.history.compact(environment, self._app.features, tell))

    def join(self, environment: str, asked: FeatureJoin, tell: Tell) -> FeaturesJoined:
        groups = {name: self._group(environment, name) for name in asked.keys}
        if not groups:
            raise UsageError("no feature group was named", fix=f"name some: {', '.join(self._app.features) or 'none'}")
        known = dict(self._parts.history.join(environment, groups, asked, tell))
        return FeaturesJoined(environment, asked.output, known.pop("rows"), known)

    def tend(self) -> None:
        """Compact where so much has arrived that the store's file would grow without end.

        Raises the last ShipwayError once every environment was looked at.
        """
        failed: ShipwayError | None = None
        for environment in self._app.environments:
            try:
                arrived = self._store.arrivals(environment)
                # What is no longer declared stays where it is: nothing says by which types it would be written.
                if sum(arrived.get(group, 0) for group in self._app.features) >= MOST_ARRIVALS:
                    self.compact(environment, lambda _: None)
            except ShipwayError as error:
                failed = error
        if failed is not None:
            raise failed

    def _group(self, environment: str, name: str) -> FeatureGroup:
        check_known(self._app, environment)
        group = self._app.features.get(name)
        if group is None:
            known = ", ".join(self._app.features) or "none"
            raise UsageError(f"no feature group {name[:80]!r}", fix=f"allowed: {known} (`features:` in shipway.yaml)")
        return group

    @property
    def _app(self) -> App:
        return self._parts.operator_app()


def _check_number(group: str, number: int) -> None:
    if not 1 <= number <= MOST_AT_ONCE:
        raise UsageError(f"{group}: expected 1 to {MOST_AT_ONCE} records at once, found {number}")


def _with_only(record: Record, names: Sequence[str]) -> Record:
    if not names:
        return record
    values = {name: value for name, value in record.values.items() if name in names}
    return Record(record.group, record.id, record.event_time, values, record.expires)
