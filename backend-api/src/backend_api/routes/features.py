"""What predictions rested on: for operators, and not below `/api`, so not public."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from backend_api.live import LiveFeatures

router = APIRouter()


async def _live(request: Request) -> LiveFeatures:
    live: LiveFeatures = request.app.state.live
    return live


@router.get("/features", response_description="Counts of this task since its start")
async def features(live: Annotated[LiveFeatures, Depends(_live)]) -> dict[str, dict[str, int]]:
    """Of the airport's delays and of weather: how many predictions were `live`, and why the others were not.

    `stale`: the record is too old for the flight, or of after it; `absent`: there is none; `late`: it did not come
    within the deadline; `away`: the store can't be read. Without a store nothing is counted.
    """
    return {group: dict(counts) for group, counts in live.counts.items()}
