"""Task records on disk."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shipway.core.errors import ShipwayError, UsageError
from shipway.core.tasks import TaskHandle, TaskRecord
from shipway.local.builds.address import Address, address_of
from shipway.local.tasks.task_table import FileTaskTable


def test_a_record_comes_back_as_it_was_put(tmp_path, make_spec):
    """Equal in every field, the latest one wins, and another table on the same folder sees it."""
    table = FileTaskTable(tmp_path / "tasks")
    record = TaskRecord(make_spec("a"), TaskHandle("12", 34.56), True, True, False, 3, "why\nnot")
    table.put(TaskRecord(make_spec("a")))
    table.put(record)
    table.put(TaskRecord(make_spec("b")))
    assert [record, TaskRecord(make_spec("b"))] == list(FileTaskTable(tmp_path / "tasks").all())


def test_a_removed_record_is_gone(tmp_path, make_spec):
    """Removing what is not there is fine."""
    table = FileTaskTable(tmp_path / "tasks")
    table.put(TaskRecord(make_spec("a")))
    table.remove("a")
    table.remove("a")
    assert [] == list(table.all())


@pytest.mark.parametrize("id", ["", "../a", "a/b", ".hidden", "a" * 121])
def test_an_id_that_is_no_file_name_is_refused(tmp_path, make_spec, id):
    """An id never leads out of the folder."""
    with pytest.raises(UsageError, match="is no task id"):
        FileTaskTable(tmp_path / "tasks").put(replace(TaskRecord(make_spec()), spec=make_spec(id)))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"spec": {}, "handle": null}', '{"spec": 1, "handle": 2}'])
def test_a_damaged_record_is_named(tmp_path, content):
    """The fault says which file it is and what to do; it is never taken for no task."""
    table = FileTaskTable(tmp_path / "tasks")
    (tmp_path / "tasks" / "a.json").write_text(content)
    with pytest.raises(ShipwayError, match=r"a\.json cannot be read as a task"):
        table.all()


def test_what_a_killed_writer_left_is_no_record(tmp_path):
    """Files that were never put in place do not count."""
    table = FileTaskTable(tmp_path / "tasks")
    (tmp_path / "tasks" / ".a.json.x1y2").write_text("{")
    assert [] == list(table.all())


BEFORE = {
    "spec": {
        "id": "dev-blue-r1-web-0", "environment": "dev", "side": "blue", "service": "web", "release": "r1",
        "artifact_digest": "a" * 64, "argv": ["python", "app.py"], "cwd": "/app x/.shipway/artifacts/aa/tree",
        "env": {"VIRTUAL_ENV": "/app x/.shipway/environments/bb", "SHIPWAY_LAUNCH": "x"}, "port": 10123,
        "ready_path": "/ready", "log": "/app x/.shipway/logs/dev/dev-blue-r1-web-0.log", "start_timeout": 30.0,
        "drain_timeout": 5.0, "health_path": "/health", "host": "localhost",
    },
    "handle": {"pid": 4711, "started": 17.25}, "was_ready": True, "serves": True, "draining": False, "restarts": 2,
    "crash": None,
}  # fmt: skip


def test_a_task_that_an_earlier_version_started_is_read(tmp_path):
    """It runs on and is adopted: its process, its artifact, and how it is started again."""
    table = FileTaskTable(tmp_path / "tasks")
    (tmp_path / "tasks" / "dev-blue-r1-web-0.json").write_text(json.dumps(BEFORE))
    (record,) = table.all()
    assert (TaskHandle("4711", 17.25), True, 2) == (record.handle, record.serves, record.restarts)
    assert ("web", "a" * 64) == (record.spec.artifact.service, record.spec.artifact.digest)
    found = Address("/app x/.shipway/artifacts/aa/tree", "/app x/.shipway/environments/bb")
    assert found == address_of(record.spec.artifact)
    assert (("python", "app.py"), 10123, "/health") == (record.spec.argv, record.spec.port, record.spec.health_path)
    table.put(record)
    assert [record] == list(table.all())
