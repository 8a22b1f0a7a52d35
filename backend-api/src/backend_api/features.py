"""From a flight to the model's features, with the figures of `data/reference.json`.

training/README.md, "Features and how the backend derives each", is the contract; that program also makes the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from backend_api.errors import ApiError, Detail, invalid
from backend_api.live import Known
from backend_api.models.places import Place, Places
from backend_api.models.prediction import Flight

Feature = str | int | float | None
_SHIPPED = Path(__file__).parent / "data" / "reference.json"
_DAY = 24 * 60


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Route(_Figures):
    distance: float | None
    clock_minutes: int | None


class _Airport(_Figures):
    airport_delay: list[float | None]
    airport_late_share: list[float | None]


class _File(_Figures):
    carriers: dict[str, str]
    origins: dict[str, str]
    destinations: dict[str, str]
    routes: dict[str, _Route]
    weather: dict[str, list[object]]
    airport: dict[str, _Airport]


_WEATHER_TABLE: TypeAdapter[list[list[list[float | None]]]] = TypeAdapter(list[list[list[float | None]]])
_NO_ROUTE = _Route(distance=None, clock_minutes=None)


@dataclass(frozen=True)
class Reference:
    """What the backend knows about routes, climate and airports; read-only and shared by all requests."""

    carriers: Mapping[str, str]
    origins: Mapping[str, str]
    destinations: Mapping[str, str]
    routes: Mapping[str, _Route]
    weather_names: Sequence[str]
    weather: Mapping[str, Sequence[Sequence[Sequence[float | None]]]]
    airport: Mapping[str, _Airport]
    places: Places

    @classmethod
    def load(cls, path: Path | None = None) -> Reference:
        """The figures in `path`, or those shipped with the code; ValueError when the file has another shape."""
        file = _File.model_validate_json((path or _SHIPPED).read_bytes())
        tables = {origin: _WEATHER_TABLE.validate_python(file.weather[origin]) for origin in file.origins}
        for origin, table in tables.items():
            airport = file.airport[origin]
            hours = {len(months) for months in table} | {len(airport.airport_delay), len(airport.airport_late_share)}
            if len(table) != 12 or hours != {24}:
                raise ValueError(f"{path or _SHIPPED}: {origin} needs 12 months of 24 hours")
        return cls(
            carriers=file.carriers,
            origins=file.origins,
            destinations=file.destinations,
            routes=file.routes,
            weather_names=[str(name) for name in file.weather["names"]],
            weather=tables,
            airport=file.airport,
            places=Places(
                origins=_places(file.origins),
                destinations=_places(file.destinations),
                carriers=_places(file.carriers),
            ),
        )

    def features(self, flight: Flight, known: Known) -> dict[str, Feature]:
        """The one row that the model service is asked about; a 422 ApiError when an airport or airline is unknown.

        What is known of its airport goes before what is typical, and what the client tells before both.
        """
        self._check_known(flight)
        departure = flight.departure
        hour = departure.hour
        departure_minute = hour * 60 + departure.minute
        route = self.routes.get(f"{flight.origin}-{flight.destination}", _NO_ROUTE)
        clock_minutes = route.clock_minutes
        if flight.arrival is not None:
            clock_minutes = (flight.arrival.hour * 60 + flight.arrival.minute - departure_minute) % _DAY
        airport = self.airport[flight.origin]
        row: dict[str, Feature] = {
            "carrier": flight.carrier,
            "origin": flight.origin,
            "dest": flight.destination,
            "distance": route.distance,
            "day_of_week": departure.isoweekday(),
            "departure_minute": departure_minute,
            "arrival_minute": None if clock_minutes is None else (departure_minute + clock_minutes) % _DAY,
            "clock_minutes": clock_minutes,
            "wind_dir": None,  # the one with no typical value: known only when the client tells
            "airport_delay": airport.airport_delay[hour] if known.delays is None else known.delays.mean,
            "airport_late_share": airport.airport_late_share[hour] if known.delays is None else known.delays.late_share,
        }
        if known.weather is None:
            row.update(zip(self.weather_names, self.weather[flight.origin][departure.month - 1][hour], strict=True))
        else:
            row.update(known.weather)
        if flight.weather is not None:
            row.update(flight.weather.model_dump(exclude_none=True))
        return row

    def day(self, flight: Flight) -> list[Flight]:
        """The same flight at each hour of its day in which something leaves, and at its own, in the day's order."""
        own = flight.departure
        hours = {*self._hours_of_departures(flight.origin), own.hour} if flight.origin in self.origins else {own.hour}
        return [flight.model_copy(update={"departure": own.replace(hour=hour)}) for hour in sorted(hours)]

    def _hours_of_departures(self, origin: str) -> Iterator[int]:
        """An hour has delays once something has left before it: so one hour earlier something leaves already."""
        known = [delay is not None for delay in self.airport[origin].airport_delay]
        return (hour for hour in range(24) if any(known[hour : hour + 2]))

    def _check_known(self, flight: Flight) -> None:
        if (
            flight.origin in self.origins
            and flight.destination in self.destinations
            and flight.carrier in self.carriers
            and flight.origin != flight.destination
        ):
            return
        raise self._unknown(flight)

    def _unknown(self, flight: Flight) -> ApiError:
        details: list[Detail] = []
        if flight.origin not in self.origins:
            details.append(Detail(path="origin", found=flight.origin, allowed=f"one of {', '.join(self.origins)}"))
        if flight.destination not in self.destinations:
            allowed = f"one of the {len(self.destinations)} known destinations, such as {_some(self.destinations)}"
            details.append(Detail(path="destination", found=flight.destination, allowed=allowed))
        if flight.carrier not in self.carriers:
            details.append(Detail(path="carrier", found=flight.carrier, allowed=f"one of {', '.join(self.carriers)}"))
        if not details:
            details.append(
                Detail(path="destination", found=flight.destination, allowed="an airport other than the origin")
            )
        return invalid(details)


def _places(names: Mapping[str, str]) -> list[Place]:
    return [Place(code=code, name=name) for code, name in names.items()]


def _some(names: Mapping[str, str]) -> str:
    return ", ".join(list(names)[:5])
