"""What `infra` did to files, and what a plan would do to resources."""

from __future__ import annotations

from collections.abc import Iterator

from shipway.core.infrastructure import InfraPlan, Written

_SHOWN = 6


def written_lines(written: Written) -> Iterator[str]:
    """Which files were written, which were left, and what to do next."""
    for name, kind in (written.tiers or {}).items():
        if name != kind:
            yield f"  {name} is made like {kind} (otherwise: --like {name}=KIND)"
    for what, paths in (("written", written.new), ("renewed", written.renewed), ("removed", written.removed)):
        if paths:
            more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
            yield f"✔ {_files(len(paths))} {what}: {', '.join(paths[:_SHOWN])}{more}"
    if written.same:
        yield f"– {_files(written.same)} already as this Shipway writes them"
    for path, diff in (written.edited or {}).items():
        yield f"‖ {path} was edited and stays as it is; this Shipway would change:"
        yield from (f"    {line}" for line in diff.splitlines())
    if written.edited:
        yield "  Take them over by hand, or all at once: shipway infra init --force"
    if written.new or written.renewed or written.removed:
        yield "  Next: commit infra/, then docs/aws/first-deployment.md"


def plan_line(plan: InfraPlan) -> str:
    """The plan in one line."""
    counts = {
        "to add": plan.count("create"),
        "to change": plan.count("update"),
        "to replace": plan.count("replace"),
        "to destroy": plan.count("delete"),
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"{plan.root}: {told or 'nothing to change'}"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
