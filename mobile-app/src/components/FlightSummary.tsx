import type { Flight } from "../../config/api.client";
import { nameOf } from "../services/places.service";
import { useServices, useValue } from "../services/services";
import { strings } from "../strings";

/** A flight in words: route by name, departure as its airport's clock shows it, airline. */
export function FlightSummary({ flight }: { flight: Flight }) {
  const places = useValue(useServices().places);
  return (
    <>
      <span className="route">
        {strings.route(
          nameOf(places?.origins, flight.origin),
          nameOf(places?.destinations, flight.destination),
        )}
      </span>
      <span className="details">
        {strings.departure(flight.departure)} · {nameOf(places?.carriers, flight.carrier)}
      </span>
    </>
  );
}
