"""What predictions rested on: for operators, and not below `/api`, so not public."""

from __future__ import annotations

from fastapi import APIRouter, Request

from backend_api.dependencies import live_of

router = APIRouter()


@router.get("/features", response_description="Counts of this task since its start")
async def features(request: Request) -> dict[str, dict[str, int]]:
    """Of the airport's delays and of weather: how many predictions were `live`, and why the others were not.

    `stale`: the record is too old for the flight, or of after it; `absent`: there is none; `late`: it did not come
    within the deadline; `away`: the store can't be read. Without a store nothing is counted.
    """
    return {group: dict(counts) for group, counts in live_of(request).counts.items()}
