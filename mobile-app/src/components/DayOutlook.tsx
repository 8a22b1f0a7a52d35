import type { Outlook } from "../../config/api.client";
import { strings } from "../strings";

interface Props {
  outlook: Outlook;
  /** The departure that was asked about. */
  departure: string;
}

/** The day's departures by their chance of being late, and which is the safest. */
export function DayOutlook({ outlook, departure }: Props) {
  const { hours } = outlook;
  const safest = hours.reduce((best, hour) => (hour.probability < best.probability ? hour : best), hours[0]!);
  const asked = strings.time(departure);
  return (
    <section>
      <h2>{strings.answer.byHour}</h2>
      <p>
        {strings.time(safest.departure) === asked
          ? strings.answer.alreadySafest
          : strings.answer.safest(strings.time(safest.departure), strings.answer.percent(safest.probability))}
      </p>
      <ol className="hours">
        {hours.map((hour) => {
          const own = strings.time(hour.departure) === asked;
          return (
            <li key={hour.departure} aria-current={own ? "true" : undefined}>
              <span className="time">{strings.time(hour.departure)}</span>
              <span className="bar" aria-hidden="true">
                <span style={{ inlineSize: `${hour.probability * 100}%` }} />
              </span>
              <span className="percent">{strings.answer.percent(hour.probability)}</span>
              {own && <span className="own">{strings.answer.thisDeparture}</span>}
            </li>
          );
        })}
      </ol>
    </section>
  );
}
