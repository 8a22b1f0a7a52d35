"""What runs here: the daemon, every environment with its services and its rollout, and the newest runs."""

from __future__ import annotations

from typing import Any

from shipway.cli.render import apps, experiments
from shipway.cli.render.disk import disk_line
from shipway.cli.render.probation import probation_lines
from shipway.cli.render.runs import run_table
from shipway.cli.render.text import brief, clock_time, duration, plain, share, short
from shipway.cli.render.waiting import waits


def status_lines(status: dict[str, Any], now: float) -> list[str]:
    """All of `shipway status`."""
    router = "router running" if status["router"]["running"] else "✘ router not running"
    head = f"{plain(status['app'])}: Shipway {plain(status['version'])}"
    if "pid" in status:
        # A desk without a daemon knows neither this nor what else only a daemon has.
        head += f", pid {status['pid']}, up {duration(status['uptime'])}"
    lines = [f"{head}, {router}", *loop_faults(status)]
    if "authority" in status:
        lines += _authority_lines(status["authority"])
    for environment in status["environments"]:
        lines += ["", *environment_lines(environment, now)]
    if status["runs"]:
        lines += ["", *run_table(status["runs"], now)]
    if status.get("disk"):
        lines += ["", f"{disk_line(status['disk'])}; remove what is old: shipway prune"]
    return lines


def loop_faults(status: dict[str, Any]) -> list[str]:
    """The daemon's loops that don't do their work: what else is shown may be old then."""
    faults = [
        f"✘ what {plain(loop['purpose'])} {plain(loop['fault'])}" for loop in status.get("loops", ()) if loop["fault"]
    ]
    return [*faults, "  what is shown below may be old.  Look: shipway logs --daemon"] if faults else []


def _authority_lines(authority: dict[str, Any]) -> list[str]:
    """What nobody has committed of roles and approvals, in force or not."""
    lines = []
    if not authority["committed"]:
        lines.append(
            "✘ the roles and approvals in force were never committed: commit shipway.yaml, then shipway reload"
        )
    if authority["held_back"]:
        lines.append("✘ roles or approvals in shipway.yaml are not committed and not in force:")
        lines += [f"    {plain(what)}: {plain(how)}" for what, how in authority["held_back"].items()]
        lines.append("  commit the file, then shipway reload; to take it as it is: shipway reload --uncommitted")
    return lines


def environment_lines(environment: dict[str, Any], now: float) -> list[str]:
    """One environment: where it answers, what it serves, its services, its rollout."""
    name = plain(environment["name"])
    addresses = "  ".join(plain(url) for url in (environment["url"], environment["https_url"]) if url)
    if environment["release"] is None:
        lines = [f"{name}  {addresses}", f"  – nothing deployed yet: shipway deploy --env {name}"]
    else:
        model = f"  model {plain(environment['model_version'])}" if environment["model_version"] else ""
        subject = f' "{plain(environment["subject"])}"' if environment["subject"] else ""
        what = f"{plain(environment['release'])}  {short(environment['commit'])}{subject}{model}"
        lines = [f"{name}  {addresses}", f"  serves {what}  ({plain(environment['side'])})"]
    lines += [f"  {line}" for line in _services(environment["services"], name)]
    lines += [f"  {line}" for line in client_lines(environment)]
    if rollout := environment["rollout"]:
        lines.append(f"  · rollout of {plain(rollout['release'])}: {rollout_line(rollout)}")
        if found := waits(rollout, now) or plain(rollout["verdict"]):
            lines.append(f"      {found}")
        lines += [f"    {line}" for line in _services(environment["candidate_services"], name)]
    if experiment := environment["experiment"]:
        lines += [f"  {line}" for line in experiments.status_lines(experiment, now)]
    lines += [f"  {line}" for line in apps.status_lines(environment.get("app"), now)]
    if trial := environment["probation"]:
        lines += [f"  {line}" for line in probation_lines(trial, now)]
    if warm := environment["warm"]:
        until = clock_time(warm["until"], now)
        lines.append(f"  · {plain(warm['release'])} kept warm on {plain(warm['side'])} for a rollback until {until}")
    return lines


def rollout_line(rollout: dict[str, Any]) -> str:
    """`shifting, 5 % of clients, step 1 of 4: 5 → 25 → 50 → 100 %, paused`."""
    phase = plain(rollout["phase"]).replace("_", " ")
    line = f"{phase}, {share(rollout['weight'])} of clients, step {rollout['step']} of {rollout['steps']}"
    if rollout["shares"]:
        line += f": {plain(rollout['shares'])}"
    if rollout["paused"]:
        line += ", paused"
    return f"{line}, {brief(rollout['reason'])}" if rollout["reason"] else line


def serves(environment: dict[str, Any]) -> str:
    """`prod serves r42, 3/3 tasks, model v1.2`."""
    name = plain(environment["name"])
    if environment["release"] is None:
        return f"{name} serves nothing yet"
    ready = sum(service["ready"] for service in environment["services"])
    wanted = sum(service["wanted"] for service in environment["services"])
    model = f", model {plain(environment['model_version'])}" if environment["model_version"] else ""
    return f"{name} serves {plain(environment['release'])}, {ready}/{wanted} tasks{model}"


def client_lines(environment: dict[str, Any]) -> list[str]:
    """What clients saw lately: `· clients: 1,204 requests in the last 5 min, 0 failed, 95th percentile 34 ms`."""
    seen = environment["clients"]
    if seen is None:
        return []
    lately = f"in the last {duration(seen['seconds'])}"
    if seen["requests"] == 0:
        return [f"· clients: no request {lately}"]
    if not seen["failing"]:
        slow = f", 95th percentile {seen['p95'] * 1000:.0f} ms" if seen["p95"] is not None else ""
        return [f"· clients: {_failed(seen)} {lately}{slow}"]
    worst = f"; worst: {plain(seen['worst'])}" if seen["worst"] else ""
    name = plain(environment["name"])
    back = f", or shipway rollback --env {name}" if environment["previous"] else ""
    return [
        f"✘ {name} FAILS ITS CLIENTS: {_failed(seen)} {lately}{worst}",
        f"    Look: shipway logs --env {name} --errors   Then: deploy a fix{back}",
    ]


def _failed(seen: dict[str, Any]) -> str:
    share = f" ({100 * seen['errors'] / seen['requests']:.3g} %)" if seen["errors"] else ""
    return f"{seen['errors']:,} of {seen['requests']:,} requests failed{share}"


def _services(services: list[dict[str, Any]], environment: str) -> list[str]:
    wide = max((len(service["name"]) for service in services), default=0)
    return [line for service in services for line in _service(service, wide, environment)]


def _service(service: dict[str, Any], wide: int, environment: str) -> list[str]:
    """One line; a second one where there is more to a task's end than fits: its log's last lines are kilobytes."""
    mark = "✔" if service["ready"] >= service["wanted"] and not service["failing"] else "✘"
    ready = f"{service['ready']}/{service['wanted']} ready"
    if service["failing"]:
        ready += f", but {_failed(service)}"
    line = f"{mark} {plain(service['name']):{wide}}  {plain(service['artifact'])}  {ready}"
    if service["restarts"]:
        line += f", restarted {service['restarts']} times" if service["restarts"] != 1 else ", restarted once"
    note = brief(service["state_note"])
    if not note:
        return [line]
    more = [f"    all of it: shipway logs --env {environment} --service {plain(service['name'])}"]
    return [f"{line}, {note}", *(more if note != plain(service["state_note"]) else [])]
