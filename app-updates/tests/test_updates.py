"""The updater's protocol, asked over HTTP as the updater asks."""

from __future__ import annotations

import hashlib

import pytest

from app_updates.contract.bundles import BUILTIN, Offer
from tests.bundles import ENTRY, Bucket, zipped
from tests.conftest import START, Start, Task, wait_for

UP_TO_DATE = {"kind": "up_to_date", "error": "no_new_version_available", "message": "No new version available"}


def given(task: Task, bucket: Bucket, offer: Offer) -> None:
    """The offer is in force, and every bundle that it names is there or refused."""
    bucket.offer(offer)
    follower = task.follower
    assert follower is not None
    named = {offer.stable, offer.candidate or BUILTIN, *offer.older} - {BUILTIN, *offer.taken_back}
    for _ in range(1 + len(named)):
        follower.look()
    assert offer == follower.offering.offer
    assert named <= {*follower.offering.ready, *follower.offering.refused}


def says(task: Task, device: str, version: str, session: str = "s1", file: str = "") -> str:
    said = {"device_id": device, "version": version, "session_id": session, "file": file}
    return str(task.ask("POST", "/ota/started", said).json()["status"])


def reports(task: Task, device: str, action: str, version: str, timestamp: int = 1) -> int:
    report = {"device_id": device, "action": action, "version_name": version, "timestamp": timestamp}
    return task.ask("POST", "/ota/stats", [report]).status


def test_device_is_given_the_stable_bundle_and_gets_it(task: Task, bucket: Bucket) -> None:
    """The offer names version, address, checksum and session key; the address answers the encrypted zip."""
    bundle = bucket.put("a")
    given(task, bucket, Offer(stable=bundle.version))
    answer = task.check_in("d1")
    assert {"version", "url", "checksum", "session_key"} == set(answer)
    assert (bundle.version, f"http://ota.example/ota/bundles/{bundle.version}.zip") == (
        answer["version"],
        answer["url"],
    )
    got = task.ask("GET", f"/ota/bundles/{bundle.version}.zip")
    assert task.follower is not None
    ready = task.follower.offering.ready[bundle.version]
    assert (200, ready.file.read_bytes()) == (got.status, got.body)
    assert (512, ready.session_key) == (len(answer["checksum"]), answer["session_key"])
    part = task.ask("GET", f"/ota/bundles/{bundle.version}.zip", range="bytes=100-", if_range=got.headers["etag"])
    assert (206, got.body[100:]) == (part.status, part.body)


def test_address_is_the_one_that_the_device_reached(task: Task, bucket: Bucket, start: Start) -> None:
    """As the router tells it, or as PUBLIC_URL says; a Host header that names no host is refused."""
    bundle = bucket.put("a")
    given(task, bucket, Offer(stable=bundle.version))
    asked = {"device_id": "d1", "version_name": BUILTIN, "version_build": "1.0.0", "version_code": "1"}
    told = task.ask("POST", "/ota/updates", asked, x_forwarded_proto="https", host="app.example:8443").json()
    assert f"https://app.example:8443/ota/bundles/{bundle.version}.zip" == told["url"]
    assert 400 == task.ask("POST", "/ota/updates", asked, host="app.example/evil?").status
    other = start(PUBLIC_URL="https://cdn.example/x/")
    given(other, bucket, Offer(stable=bundle.version))
    assert f"https://cdn.example/x/ota/bundles/{bundle.version}.zip" == other.check_in("d2")["url"]


def test_device_with_the_right_bundle_has_nothing_to_do(task: Task, bucket: Bucket) -> None:
    """`kind` is there: without it the updater counts a failure."""
    bundle = bucket.put("a")
    given(task, bucket, Offer(stable=bundle.version))
    assert UP_TO_DATE == task.check_in("d1", bundle.version)
    given(task, bucket, Offer())
    assert UP_TO_DATE == task.check_in("d2", BUILTIN)
    assert {"version": BUILTIN} == task.check_in("d1", bundle.version)


def test_before_the_first_offer_nobody_is_told_to_change(task: Task, bucket: Bucket) -> None:
    """A parameter that is missing or broken, or a bundle that can't be read, sends no device back."""
    assert UP_TO_DATE == task.check_in("d1", "1.0.0-aaaaaaaaaaaa")
    bucket.parameter.write_text('{"stable": ')
    assert task.follower is not None
    wait_for(lambda: any("not JSON" in fault for fault in task.follower.faults if task.follower))
    assert UP_TO_DATE == task.check_in("d1", "1.0.0-aaaaaaaaaaaa")
    bucket.offer(Offer(stable="1.0.0-bbbbbbbbbbbb"))
    wait_for(lambda: any("metadata.json" in fault for fault in task.follower.faults if task.follower))
    assert UP_TO_DATE == task.check_in("d1", "1.0.0-aaaaaaaaaaaa")
    ready = task.ask("GET", "/ready").json()
    assert "1.0.0-bbbbbbbbbbbb/metadata.json" in ready["faults"][0]


def test_without_a_key_nothing_is_offered_and_it_is_said_how_to_make_one(start: Start) -> None:
    """The task serves, so that a release without an app comes up; whoever asks for counts is told what is lacking."""
    task = start(keyed=False)
    assert UP_TO_DATE == task.check_in("d1", "1.0.0-aaaaaaaaaaaa")
    answer = task.ask("GET", "/bundles")
    assert (503, "nothing_offered") == (answer.status, answer.json()["error"])
    assert "shipway app key --env prod" in answer.json()["message"]
    assert (200, [answer.json()["message"]]) == (
        task.ask("GET", "/ready").status,
        task.ask("GET", "/ready").json()["faults"],
    )


def test_old_native_app_gets_the_newest_bundle_that_it_can_run(task: Task, bucket: Bucket) -> None:
    """A bundle that needs a newer shell never reaches an older one; build numbers count, and nonsense is the oldest."""
    new, middle, old = bucket.put("new", "2.0.0.7"), bucket.put("middle", "1.4.0.3"), bucket.put("old", "1.0.0.1")
    given(task, bucket, Offer(stable=new.version, older=(middle.version, old.version)))
    asked = [("2.0.0", "7"), ("2.0.0", "6"), ("1.4.0", "3"), ("1.3.9", "9"), ("1.0.0", "1"), ("0.9", "1"), ("?", "")]
    got = [
        task.check_in(f"d{number}", native=native, version_code=build).get("version")
        for number, (native, build) in enumerate(asked)
    ]
    expected = [new.version, middle.version, middle.version, old.version, old.version, None, None]
    assert expected == got


def test_device_that_started_a_bundle_counts_once(task: Task, bucket: Bucket) -> None:
    """Whatever it repeats: one offer, one start, a session by its name."""
    bundle = bucket.put("a")
    given(task, bucket, Offer(stable=bundle.version))
    for _ in range(3):
        task.check_in("d1")
        says(task, "d1", bundle.version, "s1", ENTRY.format("a"))
    says(task, "d1", bundle.version, "s2", "/" + ENTRY.format("a"))
    told = task.told()
    counts = {"offered": 1, "started": 1, "failed": 0, "sessions": 2, "errors": 0, "reasons": {}}
    assert counts == told["versions"][bundle.version]
    assert {"devices": 1, "last_seen": START} == told["running"][bundle.version]


def test_devices_that_called_lately_are_told_by_native_version(task: Task) -> None:
    """Of the last seven days; who called before is still counted among those that run a bundle."""
    for device, build in (("d1", "1"), ("d2", "1"), ("d3", "2")):
        task.check_in(device, native="1.0.0", version_code=build)
    task.clock.now += 6 * 86_400
    task.check_in("d3", native="1.1.0", version_code="3")
    assert {"1.0.0.1": 2, "1.1.0.3": 1} == task.told()["active"]
    task.clock.now += 2 * 86_400
    assert {"1.1.0.3": 1} == task.told()["active"]
    assert 3 == task.told()["running"]["builtin"]["devices"]


def test_updaters_own_word_that_the_app_is_ready_is_no_start(task: Task, bucket: Bucket) -> None:
    """`app_launch_ready` credits the outgoing page's word to the incoming bundle (Cap-go/capacitor-updater #907)."""
    bundle = bucket.put("a")
    given(task, bucket, Offer(stable=bundle.version))
    task.check_in("d1")
    for action in ("set", "app_launch_ready", "download_complete"):
        assert 200 == reports(task, "d1", action, bundle.version)
    assert 0 == task.told()["versions"][bundle.version]["started"]


def test_outgoing_pages_word_is_not_taken_for_the_incoming_bundle(task: Task, bucket: Bucket) -> None:
    """The page says which file speaks; where the bundle that its shell names has no such file, it is ignored."""
    before, after = bucket.put("before"), bucket.put("after")
    given(task, bucket, Offer(stable=after.version, older=(before.version,)))
    task.check_in("d1", before.version)
    assert "ignored" == says(task, "d1", after.version, "s1", ENTRY.format("before"))
    assert 0 == task.told()["versions"][after.version]["started"]
    assert "ok" == says(task, "d1", after.version, "s2", ENTRY.format("after"))
    assert 1 == task.told()["versions"][after.version]["started"]


def test_bundle_that_throws_in_its_first_line_leaves_no_device_on_it(task: Task, bucket: Bucket) -> None:
    """Its page never speaks: at the next check-in the device has failed with it, and is given the one before."""
    good, bad = bucket.put("good"), bucket.put("bad")
    given(task, bucket, Offer(stable=good.version, candidate=bad.version, percent=100))
    assert bad.version == task.check_in("d1", good.version)["version"]
    assert UP_TO_DATE == task.check_in("d1", bad.version)
    task.clock.now += 29
    assert UP_TO_DATE == task.check_in("d1", bad.version)
    task.clock.now += 1
    assert good.version == task.check_in("d1", bad.version)["version"]
    assert ({"silent": 1}, 1) == (lambda one: (one["reasons"], one["failed"]))(task.told()["versions"][bad.version])


@pytest.mark.parametrize("word", [None, "update_fail", "app_launch_timeout"])
def test_no_loop_of_update_revert_update(task: Task, bucket: Bucket, word: str | None) -> None:
    """A device whose updater went back is never offered that bundle again, whether or not it told (#482)."""
    good, bad = bucket.put("good"), bucket.put("bad")
    given(task, bucket, Offer(stable=good.version, candidate=bad.version, percent=100))
    assert bad.version == task.check_in("d1", good.version)["version"]
    assert UP_TO_DATE == task.check_in("d1", bad.version)
    if word is not None:
        reports(task, "d1", word, bad.version)
    assert [UP_TO_DATE] * 5 == [task.check_in("d1", good.version) for _ in range(5)]
    assert {word or "reverted": 1} == task.told()["versions"][bad.version]["reasons"]


def test_checksum_failure_names_the_bundle_that_runs_and_means_the_one_offered(task: Task, bucket: Bucket) -> None:
    """So the updater says it; taken literally it would blame the good one, and it would download the other for ever."""
    good, bad = bucket.put("good"), bucket.put("bad")
    given(task, bucket, Offer(stable=good.version, candidate=bad.version, percent=100))
    says(task, "d1", good.version)
    task.check_in("d1", good.version)
    reports(task, "d1", "checksum_fail", good.version)
    assert UP_TO_DATE == task.check_in("d1", good.version)
    versions = task.told()["versions"]
    assert (1, {"checksum_fail": 1}) == (versions[bad.version]["failed"], versions[bad.version]["reasons"])
    assert 0 == versions[good.version]["failed"]


def test_crash_loop_ends_on_the_bundle_before(task: Task, bucket: Bucket) -> None:
    """Three starts in a row that crash; a start between them that does not begins the count anew. #106, #147."""
    good, bad = bucket.put("good"), bucket.put("bad")
    given(task, bucket, Offer(stable=good.version, candidate=bad.version, percent=100))
    task.check_in("d1", good.version)
    for number, crashes in enumerate([True, True, False, True, True, True]):
        assert UP_TO_DATE == task.check_in("d1", bad.version)
        says(task, "d1", bad.version, f"s{number}")
        if crashes:
            # the same report twice, as after a lost answer
            reports(task, "d1", "app_crash", bad.version, number)
            reports(task, "d1", "app_crash", bad.version, number)
    assert good.version == task.check_in("d1", bad.version)["version"]
    counts = task.told()["versions"][bad.version]
    assert ({"crash_loop": 1}, 6, 5) == (counts["reasons"], counts["sessions"], counts["errors"])


def test_errors_count_by_sessions(task: Task, bucket: Bucket) -> None:
    """A session with three errors is one; the native layer's word is as good as the page's."""
    bundle = bucket.put("a")
    given(task, bucket, Offer(stable=bundle.version))
    task.check_in("d1")
    says(task, "d1", bundle.version, "s1")
    for action in ("webview_javascript_error", "webview_unhandled_rejection", "webview_javascript_error"):
        reports(task, "d1", action, bundle.version)
    says(task, "d1", bundle.version, "s2")
    counts = task.told()["versions"][bundle.version]
    assert (2, 1, 0) == (counts["sessions"], counts["errors"], counts["failed"])


def test_bad_news_of_a_bundle_only_grows_and_counts_once(task: Task, bucket: Bucket) -> None:
    """A failure and a session with an error are one each, however often they are told; good news is none."""
    bundle = bucket.put("a")
    given(task, bucket, Offer(stable=bundle.version))

    def failures() -> object:
        return task.ask("GET", "/failures").json()["versions"].get(bundle.version)

    for device in ("d1", "d2"):
        task.check_in(device)
        says(task, device, bundle.version, "s1", ENTRY.format("a"))
    assert failures() is None
    for _ in range(2):
        reports(task, "d1", "update_fail", bundle.version)
    assert 1 == failures()
    for _ in range(2):
        reports(task, "d2", "webview_javascript_error", bundle.version)
    assert 2 == failures()
    says(task, "d2", bundle.version, "s2", ENTRY.format("a"))
    assert 2 == failures()


def test_reports_without_an_offer_count_for_nothing(task: Task, bucket: Bucket) -> None:
    """Neither starts nor failures: a report needs an offer before it."""
    bundle = bucket.put("a")
    given(task, bucket, Offer(stable=bundle.version))
    says(task, "d1", bundle.version)
    reports(task, "d1", "update_fail", bundle.version)
    counts = task.told()["versions"][bundle.version]
    assert (0, 0, 0) == (counts["offered"], counts["started"], counts["failed"])


def test_taken_back_bundle_is_left_by_every_device_with_the_reason_on_record(task: Task, bucket: Bucket) -> None:
    """Devices that have it get the one before; it is neither offered nor served; who left it, and why, can be read."""
    good, bad = bucket.put("good"), bucket.put("bad")
    given(task, bucket, Offer(stable=good.version, candidate=bad.version, percent=100))
    for device in ("d1", "d2"):
        task.check_in(device, good.version)
        says(task, device, bad.version)
    given(task, bucket, Offer(stable=good.version, taken_back={bad.version: "18 of 20 devices"}))
    assert [good.version] * 2 == [task.check_in(device, bad.version)["version"] for device in ("d1", "d2")]
    assert UP_TO_DATE == task.check_in("d3", good.version)
    assert (410, "taken_back") == (lambda a: (a.status, a.json()["error"]))(
        task.ask("GET", f"/ota/bundles/{bad.version}.zip")
    )
    record = task.ask("GET", "/taken-back").json()["devices"]
    assert [("d1", bad.version, "18 of 20 devices"), ("d2", bad.version, "18 of 20 devices")] == sorted(
        (one["device"], one["version"], one["taken_back_reason"]) for one in record
    )


def test_taken_back_stable_leaves_builtin(task: Task, bucket: Bucket) -> None:
    """Where no bundle before it is left, devices go back to what came with their native app."""
    bad = bucket.put("bad")
    given(task, bucket, Offer(stable=bad.version))
    task.check_in("d1")
    given(task, bucket, Offer(stable=BUILTIN, taken_back={bad.version: "bad"}))
    assert {"version": BUILTIN} == task.check_in("d1", bad.version)


def test_device_that_has_the_candidate_keeps_it(task: Task, bucket: Bucket) -> None:
    """A smaller share takes it from nobody; it is another thing to take it back."""
    good, new = bucket.put("good"), bucket.put("new")
    given(task, bucket, Offer(stable=good.version, candidate=new.version, percent=100))
    assert new.version == task.check_in("d1", good.version)["version"]
    given(task, bucket, Offer(stable=good.version, candidate=new.version, percent=0))
    assert UP_TO_DATE == task.check_in("d1", new.version)
    assert UP_TO_DATE == task.check_in("d2", good.version)


def test_custom_id_is_the_device(task: Task, bucket: Bucket) -> None:
    """Where the app has given its own name to the updater, that is the one that the API knows it by."""
    bundle = bucket.put("a")
    given(task, bucket, Offer(stable=bundle.version))
    task.check_in("native", custom_id="mine")
    says(task, "mine", bundle.version)
    assert 1 == task.told()["versions"][bundle.version]["started"]


def test_channel_is_the_environment(task: Task) -> None:
    """No device chooses another one."""
    assert [{"id": "prod", "name": "prod", "public": True, "allow_self_set": False}] == task.ask(
        "GET", "/ota/channel"
    ).json()
    assert {"channel": "prod", "status": "default", "allowSet": False} == task.ask("PUT", "/ota/channel", {}).json()
    refused = task.ask("POST", "/ota/channel", {"channel": "dev"})
    assert (400, "channel_self_set_not_allowed") == (refused.status, refused.json()["error"])


def test_floods_are_answered_429_with_a_time_to_wait(task: Task) -> None:
    """One device's flood; another one is let in meanwhile."""
    said = {"device_id": "d1", "version_name": BUILTIN}
    answers = [task.ask("POST", "/ota/updates", said) for _ in range(40)]
    assert {200, 429} == {answer.status for answer in answers}
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 2
    assert 200 == task.ask("POST", "/ota/updates", {**said, "device_id": "d2"}).status


def test_page_of_the_app_may_speak_and_others_may_not(task: Task) -> None:
    """CORS for the shells' origins: the first word is a plain request, telemetry is asked about before."""
    asked = {"access_control_request_method": "POST", "access_control_request_headers": "content-type"}
    allowed = task.ask("OPTIONS", "/ota/v1/logs", origin="https://localhost", **asked)
    assert (200, "https://localhost") == (allowed.status, allowed.headers["access-control-allow-origin"])
    assert 400 == task.ask("OPTIONS", "/ota/v1/logs", origin="https://elsewhere.example", **asked).status


def test_tasks_answer_alike(start: Start, bucket: Bucket) -> None:
    """What one task was told another one knows; both serve the same bytes."""
    one, other = start(), start()
    good, bad = bucket.put("good"), bucket.put("bad")
    offer = Offer(stable=good.version, candidate=bad.version, percent=100)
    given(one, bucket, offer)
    given(other, bucket, offer)
    first, second = one.check_in("d1", good.version), other.check_in("d2", good.version)
    assert (first["checksum"], first["session_key"]) == (second["checksum"], second["session_key"])
    digests = {
        hashlib.sha256(task.ask("GET", f"/ota/bundles/{bad.version}.zip").body).hexdigest() for task in (one, other)
    }
    assert 1 == len(digests)
    reports(other, "d1", "update_fail", bad.version)
    assert UP_TO_DATE == one.check_in("d1", good.version)
    assert one.told() == other.told()


def test_large_zip_is_served_whole(task: Task, bucket: Bucket) -> None:
    """Some megabytes, which do not compress."""
    blocks = b"".join(hashlib.sha512(number.to_bytes(4)).digest() for number in range(50_000))
    bundle = bucket.put("large", content=zipped({"index.html": "", "large.bin": blocks}))
    given(task, bucket, Offer(stable=bundle.version))
    got = task.ask("GET", f"/ota/bundles/{bundle.version}.zip")
    assert (200, 0) == (got.status, len(got.body) % 16)
    assert len(got.body) > 3_000_000
