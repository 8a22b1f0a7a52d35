"""Secrets as lines of text: names, never values."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.text import clock_time, plain, table


def secret_table(secrets: list[dict[str, Any]], environment: str, now: float) -> list[str]:
    """One line for each, by name."""
    rows = [
        (
            secret["name"],
            clock_time(secret["set_at"], now) if secret["set_at"] is not None else "not set",
            ", ".join(secret["services"]) or "–",
        )
        for secret in secrets
    ]
    return table(("NAME", "SET", "NAMED BY"), rows) or [
        f"{environment} has no secret: name one under `secrets:` of a service in shipway.yaml"
    ]


def change_lines(change: dict[str, Any], verb: str) -> list[str]:
    """What was changed, what goes on as before, and what to do about that."""
    name, environment = plain(change["name"]), plain(change["environment"])
    if not change["changed"]:
        same = "has this value already" if verb == "set" else "has no value"
        return [f"· {name} {same} in {environment}; nothing changed"]
    lines = [f"✔ {name} is {verb} in {environment}"]
    if change["running"]:
        lines += [
            f"  {', '.join(plain(service) for service in change['running'])}: the tasks that run keep the former value; "
            "tasks that are started from now on get this one",
            f"  Start them anew, without dropping a request: {plain(change['redeploy'])}",
        ]
    elif verb == "set" and not change["services"]:
        lines.append(f"  No service names it yet: `secrets: [{name}]` in shipway.yaml, then deploy")
    return lines
