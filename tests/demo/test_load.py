"""The load client against a real server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shipway.demo.load import Load, Options
from shipway.demo.question import Question, Requests

from .small_server import SmallServer, small_server

QUESTION = {
    "method": "POST",
    "bodies": ({"flight": 1}, {"flight": 2}),
    "expect": {"probability": (0.0, 1.0), "late": "boolean"},
    "version_key": "model_version",
}
QUICK = Options(rate=400, seconds=0.1, devices=10, timeout=30)


async def _load(url: str, path: str, options: Options = QUICK) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    told: list[dict[str, Any]] = []
    question = Question(path, **QUESTION)  # type: ignore[arg-type]
    summary = await Load(Requests.to(url, question), options, told.append).run()
    return summary, told


def _ask(path: str, options: Options = QUICK) -> tuple[dict[str, Any], SmallServer]:
    async def both() -> tuple[dict[str, Any], SmallServer]:
        async with small_server() as server:
            return (await _load(server.url, path, options))[0], server

    return asyncio.run(both())


@pytest.mark.parametrize("path", ["/good", "/chunked", "/announced-close", "/idle-close"])
def test_right_answers_are_no_failures(path: str) -> None:
    """Every way to answer and to close a connection between two requests is right."""
    summary, server = _ask(path)
    assert (40, 0, {}) == (summary["sent"], summary["failed"], summary["steps"][0]["kinds"])
    assert 40 == summary["steps"][0]["releases"]["r1"]["answers"]
    assert 40 == summary["steps"][0]["versions"]["v1.0"]["answers"]
    assert {b'{"flight":1}', b'{"flight":2}'} == set(server.bodies)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/status", "status"), ("/reset", "reset"), ("/cut", "reset"), ("/garbage", "body"), ("/wrong", "body")],
)
def test_each_failure_is_counted_by_kind(path: str, kind: str) -> None:
    """A wrong answer, and a connection closed after the request was written, each count as one failure."""
    summary, _ = _ask(path)
    assert (40, 40, {kind: 40}) == (summary["sent"], summary["failed"], summary["steps"][0]["kinds"])
    assert 40 == len(summary["failures"])


def test_no_answer_in_time_is_a_failure() -> None:
    """A request whose answer does not come in time counts as a timeout."""
    summary, _ = _ask("/slow", Options(rate=100, seconds=0.1, devices=10, timeout=0.2))
    assert {"timeout": 10} == summary["steps"][0]["kinds"]


def test_a_port_nobody_listens_on_is_refused() -> None:
    """Requests to a closed port count as refused."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        summary, _ = asyncio.run(_load(f"http://127.0.0.1:{free.getsockname()[1]}", "/"))
    assert {"refused": 40} == summary["steps"][0]["kinds"]


def test_half_of_the_requests_open_a_connection_of_their_own() -> None:
    """Every second request is fresh; the others share kept connections."""
    _, server = _ask("/good", Options(rate=50, seconds=0.8, devices=10, timeout=30))
    assert 20 < server.connections < 40
    assert set(server.devices) <= {f"device-{n}" for n in range(10)}


def test_a_failure_names_who_and_where() -> None:
    """A failure is told at once, with device, release, side and time."""

    async def both() -> list[dict[str, Any]]:
        async with small_server() as server:
            return (await _load(server.url, "/status"))[1]

    failure = asyncio.run(both())[0]
    assert ("failure", "load", "status", 500, "r1", "blue") == tuple(
        failure[key] for key in ("event", "step", "kind", "status", "release", "side")
    )
    assert failure["device"].startswith("device-")
    assert "answered 500, expected 200" in failure["detail"]


def test_a_device_that_flaps_between_releases_is_found() -> None:
    """Answers that send devices to and fro between two releases are cohort failures."""

    async def both() -> dict[str, Any]:
        async with small_server() as server:
            server.release_for = lambda device: f"r{1 + len(server.devices) % 2}"
            return (await _load(server.url, "/good", Options(rate=100, seconds=0.5, devices=1, timeout=30)))[0]

    summary = asyncio.run(both())
    assert summary["steps"][0]["kinds"].get("cohort", 0) > 3
    assert {"cohort"} == set(summary["steps"][0]["kinds"])


def test_the_rate_is_kept_and_latency_counts_from_the_due_time() -> None:
    """While the server stalls, requests go on being sent, and their waiting shows in the latency."""

    async def both() -> dict[str, Any]:
        async with small_server() as server:
            stalled = asyncio.Event()
            serve = server.serve

            async def gated(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await stalled.wait()
                await serve(reader, writer)

            listener = await asyncio.start_server(gated, "127.0.0.1", 0)
            url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
            running = asyncio.create_task(_load(url, "/good", Options(rate=100, seconds=0.3, devices=5, timeout=30)))
            while not running.done() and len(asyncio.all_tasks()) < 30:
                await asyncio.sleep(0.005)
            stalled.set()
            summary = (await running)[0]
            listener.close()
            return summary

    summary = asyncio.run(both())
    assert (30, 0) == (summary["sent"], summary["failed"])
    assert summary["steps"][0]["latency_ms"]["max"] > 100


def _start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "shipway.demo.load", *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_the_parent_steers_it_by_lines(tmp_path: Path) -> None:
    """`mark` begins a step, `stop` ends the load, and what was sent is counted for the step it was sent in."""
    (tmp_path / "question.json").write_text(json.dumps({"path": "/good", "version_key": "model_version"}))

    async def steer() -> list[dict[str, Any]]:
        async with small_server() as server:
            load = _start(
                "--url", server.url, "--question", str(tmp_path / "question.json"), "--control", "--rate", "200"
            )
            assert load.stdin is not None
            assert load.stdout is not None
            lines = []
            for word in ("mark first", "mark second", "stop"):
                while True:
                    lines.append(json.loads(await asyncio.to_thread(load.stdout.readline)))
                    if lines[-1]["event"] == "progress" and lines[-1]["versions"]:
                        break
                load.stdin.write(word + "\n")
                load.stdin.flush()
            rest, _ = await asyncio.to_thread(load.communicate, timeout=60)
            assert 0 == load.returncode
            return [*lines, *map(json.loads, rest.splitlines())]

    lines = asyncio.run(steer())
    summary = lines[-1]
    assert ("summary", 0) == (summary["event"], summary["failed"])
    assert ["load", "first", "second"] == [step["name"] for step in summary["steps"]]
    assert summary["sent"] == sum(step["releases"]["r1"]["answers"] for step in summary["steps"])
    assert ["first", "second"] == [line["step"] for line in lines if line["event"] == "mark"]


def test_it_ends_when_its_parent_does() -> None:
    """The end of stdin stops a steered load, so none is left behind."""

    async def orphan() -> str:
        async with small_server() as server:
            load = _start("--url", server.url, "--control")
            rest, _ = await asyncio.to_thread(load.communicate, timeout=60)
            return str(json.loads(rest.splitlines()[-1])["event"])

    assert "summary" == asyncio.run(orphan())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "https://127.0.0.1:1"], "expected an address such as http://127.0.0.1:8080"),
        (["--url", "http://127.0.0.1:1", "--rate", "0"], "--rate 0: allowed is above 0, up to 2000"),
        (["--url", "http://127.0.0.1:1", "--devices", "0"], "--devices 0: allowed is 1 to 100000"),
        (["--url", "http://127.0.0.1:1", "--timeout", "99"], "--timeout 99: allowed is above 0, up to 60"),
    ],
)
def test_mistakes_in_the_options_are_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake exits with 2 and says what is allowed."""
    from shipway.demo.load import parse

    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert 2 == ended.value.code
    assert message in capsys.readouterr().err
