"""Reading `shipway.yaml`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.errors import UsageError
from shipway.description.reader import load, parse

ROOT = Path(__file__).parents[2]
ANNOTATED = (ROOT / "shipway.yaml").read_text()
MINIMAL = """\
app: shop
services:
  web:
    path: web
    command: python -m web
    routes: [/*]
  ranker:
    path: ranker
    command: python -m ranker
    model: true
model:
  name: ranking
environments:
  dev:
    branch: develop
    port: 8081
    tasks: {min: 1, max: 2}
    rollout:
      strategy: rolling
  prod:
    branch: main
    after: dev
    port: 8080
    tasks: {min: 3, max: 6}
    rollout: {strategy: canary, steps: [5%, 50%]}
    approval:
      roles: [lead]
roles:
  lead: ["*"]
"""
SERVICE_KEYS = (
    "path, include, command, test, lock, test_lock, routes, health, ready, probes, model, baked, uses, env, before_traffic, "
    "check_host, answer_timeout, largest_body, longest_session, idempotent, origins, "
    "start_timeout, drain_timeout, openapi, secrets, feature_store, database, cpu, memory, log_group"
)


def complaint(text: str | bytes) -> str:
    """What `parse` says about a wrong description."""
    with pytest.raises(UsageError) as raised:
        parse(text)
    assert "correct the lines above; the annotated shipway.yaml documents every key" == raised.value.fix
    return raised.value.what


def test_reads_a_description() -> None:
    """Values arrive with their units resolved and defaults filled in."""
    app = parse(MINIMAL)
    assert ("shop", (5.0, 50.0), ("dev", "prod"), ("ranker",)) == (
        app.app,
        app.environments["prod"].rollout.steps,
        app.path_to("prod"),
        app.model_services(),
    )


def test_reads_bytes_and_files_alike(tmp_path: Path) -> None:
    """A byte order mark and a file make no difference."""
    path = tmp_path / "shipway.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert parse(MINIMAL) == load(path) == parse(MINIMAL.encode())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that cannot be read is told with its path and the reason."""
    with pytest.raises(UsageError, match=r"none\.yaml: No such file or directory"):
        load(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="Is a directory"):
        load(tmp_path)


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    """More than a mebibyte is refused."""
    path = tmp_path / "shipway.yaml"
    path.write_bytes(b"#" * (3 << 20))
    with pytest.raises(UsageError, match=r"allowed: 1,048,576 at most"):
        load(path)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "strategy: rolling",
            "strategy: bluegreen",
            "19: environments.dev.rollout.strategy: found 'bluegreen'; allowed: all_at_once, "
            "rolling, blue_green, canary, linear (did you mean blue_green?)",
        ),
        (
            "path: web",
            "path: web\n    commnd: x",
            f"5: services.web.commnd: unknown key; allowed: {SERVICE_KEYS} (did you mean command?)",
        ),
        (
            "app: shop",
            "app: shop\nregion: x",
            "2: region: unknown key; allowed: app, services, model, features, apps, environments, retention, aws, roles (did you mean retention?)",
        ),
        ("tasks: {min: 1, max: 2}", "tasks: {min: 1}", "17: environments.dev.tasks.max: missing; add it"),
        ("    port: 8081\n", "", "14: environments.dev.port: missing (HTTP); add it"),
        ("port: 8081", "port: '8081'", "16: environments.dev.port: found '8081'; expected a whole number"),
        ("port: 8081", "port: 80.5", "16: environments.dev.port: found 80.5; expected a whole number"),
        ("port: 8081", "port: 80810", "16: environments.dev.port: found 80810; allowed: 1 to 65535"),
        ("port: 8081", "port: [1]", "16: environments.dev.port: found a list; expected a whole number"),
        ("port: 8081", "port:", "16: environments.dev.port: found nothing; expected a whole number"),
        (
            "port: 8081",
            "port: 8_081",
            '16: environments.dev.port: YAML readers disagree about 8_081; write "8_081" if it is '
            "text, or a plain number, true or false",
        ),
        ("port: 8081", "port: 8080", "23: environments.prod.port: 8080 is taken by environments.dev.port"),
        ("branch: main", "branch: develop", "21: environments.prod.branch: 'develop' already belongs to dev"),
        ("after: dev", "after: stage", "22: environments.prod.after: no environment 'stage'; allowed: dev"),
        ("after: dev", "after: prod", "22: environments.prod.after: goes round in a circle"),
        ("roles: [lead]", "roles: [boss]", "27: environments.prod.approval.roles: no role 'boss'; allowed: lead"),
        (
            "roles: [lead]",
            "roles: []",
            "27: environments.prod.approval.roles: found an empty list; allowed: anything that is not empty",
        ),
        ("max: 6", "max: 2", "24: environments.prod.tasks: max (2) is smaller than min (3)"),
        (
            "steps: [5%, 50%]",
            "steps: [5%, half]",
            "25: environments.prod.rollout.steps[1]: found 'half'; expected a percentage such as 5%",
        ),
        (
            "steps: [5%, 50%]",
            "steps: [5%, 101%]",
            "25: environments.prod.rollout.steps[1]: found '101%'; allowed: 0 to 100",
        ),
        (", steps: [5%, 50%]", "", "25: environments.prod.rollout: canary needs steps, such as [5%, 25%, 50%]"),
        (
            "strategy: rolling",
            "strategy: rolling\n      bake: soon",
            "20: environments.dev.rollout.bake: found 'soon'; expected a duration such as 500ms, 30s, 10m, 24h or 7d",
        ),
        (
            "strategy: rolling",
            "strategy: rolling\n      bake: [1]",
            "20: environments.dev.rollout.bake: expected a duration such as 500ms, 30s, 10m, 24h or 7d",
        ),
        ("model: true", "model: 'true'", "10: services.ranker.model: found 'true'; expected true or false"),
        (
            "command: python -m web",
            "command: 12",
            '5: services.web.command: found 12; expected text; write "12" in quotes',
        ),
        ("command: python -m web", "command: python 'x", "5: services.web.command: no closing quotation"),
        (
            "command: python -m web",
            "command: ''",
            "5: services.web.command: found ''; allowed: anything that is not empty",
        ),
        ("routes: [/*]", "routes: [api]", "6: services.web.routes[0]: 'api' is not a path such as /api/* or /health"),
        ("model: true", "model: true\n    routes: [/*]", "11: services.ranker.routes[0]: /* already leads to web"),
        ("    routes: [/*]\n", "", "2: services: no service has routes, so nothing could be reached"),
        (
            "path: web",
            "path: ../web",
            "4: services.web.path: '../web' is not a folder below that of shipway.yaml, such as backend-api",
        ),
        (
            "path: web",
            "path: /web",
            "4: services.web.path: '/web' is not a folder below that of shipway.yaml, such as backend-api",
        ),
        (
            "path: web",
            "path: web\n    uses: {rankr: URL}",
            "5: services.web.uses: no other service 'rankr'; allowed: ranker",
        ),
        (
            "path: web",
            "path: web\n    uses: {ranker: 8 URL}",
            "3: services.web: '8 URL' is not the name of an environment variable",
        ),
        (
            "path: web",
            "path: web\n    baked: ../models",
            "5: services.web.baked: '../models' is not a folder inside the service's, such as models",
        ),
        (
            "model: true",
            "model: true\n    baked: models",
            "11: services.ranker.baked: the service takes the model from the bucket already (model: true); "
            "leave one of them out",
        ),
        (
            "name: ranking",
            "name: ranking\n  on_approval: [stage]",
            "13: model.on_approval: no environment 'stage'; allowed: dev, prod",
        ),
        (
            "name: ranking",
            "name: ranking\n  quality: {max_prediction_shift: 101%}",
            "13: model.quality.max_prediction_shift: found '101%'; allowed: 0 to 100",
        ),
        (
            "path: web",
            "path: web\n    env: {X: 'a{dta}'}",
            "5: services.web.env.X: no placeholder {dta}; allowed: {port}, {host}, {data}, {bucket}, {buckets}, {environment}",
        ),
        (
            "path: web",
            "path: web\n    origins: [https://shop.example/]",
            "5: services.web.origins[0]: found 'https://shop.example/'; expected an origin, such as "
            "https://shop.example or capacitor://localhost",
        ),
        (
            "path: web",
            "path: web\n    largest_body: 10MB",
            "5: services.web.largest_body: found '10MB'; expected a size such as 512KiB, 10MiB or 1GiB, "
            "from 1 byte to 100GiB",
        ),
        (
            "path: web",
            "path: web\n    answer_timeout: 2h",
            "5: services.web.answer_timeout: found '2h'; allowed: 1 to 3600",
        ),
        (
            "path: web",
            "path: web\n    check_host: a b",
            "5: services.web.check_host: found 'a b'; expected a host, such as localhost, shop.example or "
            "shop.example:8000",
        ),
        (
            "path: web",
            "path: web\n    env: {X: 1.10}",
            '5: services.web.env.X: found 1.10; expected text; write "1.10" in quotes',
        ),
        (
            "path: web",
            "path: web\n    probes: [{path: x}]",
            "5: services.web.probes[0].path: found 'x'; allowed: text that matches ^/",
        ),
        ("model:\n  name: ranking\n", "", "10: services.ranker.model: true needs a `model:` section"),
        ("    model: true\n", "", "10: model: no service says `model: true`, nor `baked:`"),
        (
            "  web:",
            "  Web:",
            "3: services.Web: not a name; allowed: lower-case letters, digits and dashes, a letter first, 40 at most",
        ),
        (
            "app: shop",
            "app: Shop",
            "1: app: found 'Shop'; allowed: lower-case letters, digits and dashes, a letter first, 40 at most",
        ),
        ("app: shop", "app: shop\napp: shop", "2: app: written twice, first on line 1; keep one"),
        ("  dev:\n", "  dev: x\n  dev2:\n", "14: environments.dev: found 'x'; expected a mapping of keys"),
        ("app: shop", "app: [", "3:6: not valid YAML: expected ',' or ']', but got ':'"),
    ],
)
def test_a_mistake_has_its_line(old: str, new: str, line: str) -> None:
    """One mistake is one line: where, what was found, what is allowed."""
    assert 1 == MINIMAL.count(old)
    assert f"shipway.yaml:{line}" in complaint(MINIMAL.replace(old, new)).splitlines()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/r y", "a path cannot hold ' '; write %20"),
        ("/a#b", "a path cannot hold '#'; write %23"),
        ("/é", "a path cannot hold 'é'; write %C3%A9"),
        ("/it's", 'a path cannot hold "\'"; write %27'),
        ("/a\\b", "a path cannot hold '\\\\'; write %5C"),
        ("/{port}", "a path cannot hold '{'; write %7B"),
        ("/50%", "% is not an escaped character; a percent sign itself is written %25"),
        ("/%zz", "%zz is not an escaped character; a percent sign itself is written %25"),
        ("//host/x", "a path begins with one /"),
        ("/a/../b", "a path with . or .. leads elsewhere; write the path itself"),
        ("/%2E%2e/b", "a path with . or .. leads elsewhere; write the path itself"),
        ("/" + "a" * 1000, "a path of more than 1000 characters"),
    ],
)
@pytest.mark.parametrize("key", ["ready", "health", "probes"])
def test_a_path_that_cannot_be_requested_is_a_mistake(key: str, path: str, message: str) -> None:
    """What is requested of tasks goes into requests as it stands."""
    written = "'" + path.replace("'", "''") + "'"
    line = f"{key}: {written}" if key != "probes" else f"probes: [{{path: {written}}}]"
    told = complaint(MINIMAL.replace("path: web", f"path: web\n    {line}"))
    place = "probes[0].path" if key == "probes" else key
    assert told.startswith(f"shipway.yaml:5: services.web.{place}: found ")
    assert told.endswith(f"; {message}")


@pytest.mark.parametrize("path", ["/", "/a?b=c&d=%20", "/ready;v=1", "/a.b/..c/~d", "/x?next=/a/../b", "/a:b@c,d"])
def test_a_path_that_can_be_requested_is_taken(path: str) -> None:
    """Queries, escapes and every sign that a path may hold."""
    service = parse(MINIMAL.replace("path: web", f"path: web\n    ready: '{path}'")).services["web"]
    assert path == service.ready


@pytest.mark.parametrize("route", ["/..", "/a/../b", "/./*", "/a/./*"])
def test_a_route_leads_nowhere_else(route: str) -> None:
    """A route is compared with paths as clients write them, so that dots would never match."""
    told = complaint(MINIMAL.replace("routes: [/*]", f"routes: ['{route}']"))
    assert f"shipway.yaml:6: services.web.routes[0]: {route!r} is not a path such as /api/* or /health" == told


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", ("/health", "/health")),
        ("health: /up", ("/up", "/up")),
        ("ready: /set", ("/health", "/set")),
        ("ready: /set\n    health: /up", ("/up", "/set")),
    ],
)
def test_ready_follows_health(keys: str, expected: tuple[str, str]) -> None:
    """One path given is the path of both; `ready` may still be another one."""
    service = parse(MINIMAL.replace("path: web", f"path: web\n    {keys}")).services["web"]
    assert expected == (service.health, service.ready)


@pytest.mark.parametrize(
    ("folders", "place", "message"),
    [
        ("[../shared]", "[0]", "'../shared' is not a folder below that of shipway.yaml, such as shared/features"),
        ("[/shared]", "[0]", "'/shared' is not a folder below that of shipway.yaml, such as shared/features"),
        ("[shared, web/lib]", "[1]", "'web/lib' is in `path`, 'web', already; leave it out"),
        ("[./web]", "[0]", "'./web' is in `path`, 'web', already; leave it out"),
        ("[.]", "[0]", "'.' holds `path`, 'web'; name folders beside that"),
        ("[shared, other, shared]", "[2]", "'shared' overlaps 'shared'; leave one of them out"),
        ("[shared/a, ./shared]", "[1]", "'./shared' overlaps 'shared/a'; leave one of them out"),
        ("[shared, shared/a]", "[1]", "'shared/a' overlaps 'shared'; leave one of them out"),
        ("shared", "", "found 'shared'; expected a list"),
    ],
)
def test_what_a_service_includes_lies_beside_it(folders: str, place: str, message: str) -> None:
    """In folders of the app that have nothing to do with one another, nor with the service's own."""
    told = complaint(MINIMAL.replace("path: web", f"path: web\n    include: {folders}"))
    assert f"shipway.yaml:5: services.web.include{place}: {message}" == told


def test_folders_with_like_names_do_not_overlap() -> None:
    """What counts are the parts of a path, not its letters."""
    include = parse(MINIMAL.replace("path: web", "path: web\n    include: [web2, web-lib/a, web-lib/ab]"))
    assert ("web2", "web-lib/a", "web-lib/ab") == include.services["web"].include


@pytest.mark.parametrize("name", ["../requirements.lock", "/etc/passwd", ""])
@pytest.mark.parametrize("key", ["lock", "test_lock"])
def test_a_lock_lies_in_its_service_s_folder(key: str, name: str) -> None:
    """A build sees nothing outside of it."""
    told = complaint(MINIMAL.replace("path: web", f"path: web\n    {key}: '{name}'"))
    where = f"shipway.yaml:5: services.web.{key}: {name!r} is not a file inside the service's folder"
    assert f"{where}, such as requirements.lock" == told


@pytest.mark.parametrize("key", ["command", "test", "before_traffic"])
def test_a_command_for_a_shell_is_a_mistake_of_its_line(key: str) -> None:
    """What keeps a command from running is told where it stands; `tests/core/description/test_command_line.py` has the rules."""
    text = MINIMAL.replace("    command: python -m web\n", "    command: python -m web\n" if key != "command" else "")
    told = complaint(text.replace("path: web", f"path: web\n    {key}: cd src && python -m web"))
    assert [f"shipway.yaml:5: services.web.{key}: `{word}`" for word in ("cd", "&&")] == [
        " ".join(line.split()[:3]) for line in told.splitlines()
    ]


def test_all_mistakes_come_at_once_and_in_order() -> None:
    """Whoever mends a file sees everything that is wrong, top to bottom, by the name they gave."""
    text = MINIMAL.replace("rolling", "fast").replace("shop", "Shop").replace("path: web", "path: web\n    test: no")
    with pytest.raises(UsageError) as raised:
        parse(text, "other.yaml")
    places = [line.split(": ")[:2] for line in raised.value.what.splitlines()]
    assert [
        ["other.yaml:1", "app"],
        ["other.yaml:5", "services.web.test"],
        ["other.yaml:20", "environments.dev.rollout.strategy"],
    ] == places


def test_checks_of_the_whole_come_at_once() -> None:
    """References that lead nowhere are told together."""
    text = MINIMAL.replace("after: dev", "after: x").replace("[lead]", "[boss]").replace("    routes: [/*]\n", "")
    assert 3 == len(complaint(text).splitlines())


def test_a_mistake_is_told_once() -> None:
    """What could not be read is not also called a wrong value."""
    text = MINIMAL.replace("[lead]", "[no]").replace("command: python -m web", "command: 08")
    assert 2 == len(complaint(text).splitlines())


def test_a_very_wrong_file_is_told_briefly() -> None:
    """Not more than fifty mistakes are shown."""
    lines = complaint(MINIMAL + "".join(f"x{n}: 1\n" for n in range(120))).splitlines()
    assert (51, "shipway.yaml: and 70 more") == (len(lines), lines[-1])


@pytest.mark.parametrize("text", ["[]", "x", "null", "12", "{}", "''"])
def test_a_file_that_is_something_else(text: str) -> None:
    """A list, a word or nothing at all is no description."""
    assert complaint(text).startswith("shipway.yaml:1: ")


def _check(text: bytes | str) -> None:
    try:
        parse(text)
    except UsageError as error:
        for line in error.what.split("\n"):
            assert re.match(r"shipway\.yaml(:\d+(:\d+)?)?: \S", line), line


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_anything_parses_or_is_refused(text: bytes | str) -> None:
    """Any bytes give an App or a UsageError, and nothing else."""
    _check(text)


@given(
    at=st.integers(0, len(MINIMAL)),
    length=st.integers(0, 40),
    put=st.one_of(
        st.sampled_from([":", "\n", "- ", "{", "]", "&a ", "*a", "'", "!", "~", "1", "<<: "]), st.text(max_size=5)
    ),
)
def test_a_damaged_file_parses_or_is_refused(at: int, length: int, put: str) -> None:
    """A slip of the keyboard anywhere gives an App or a UsageError."""
    _check(MINIMAL[:at] + put + MINIMAL[at + length :])


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["5%", "3s", "/x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    line=st.sampled_from([n for n, line in enumerate(MINIMAL.splitlines()) if ": " in line and "{" not in line]),
    value=_VALUES,
)
def test_any_value_in_any_place_parses_or_is_refused(line: int, value: object) -> None:
    """A value of the wrong kind or size anywhere gives an App or a UsageError."""
    lines: list[str] = [*MINIMAL.splitlines()]
    lines[line] = lines[line].split(": ")[0] + ": " + json.dumps(value)
    _check("\n".join(lines))
