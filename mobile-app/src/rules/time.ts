const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export type Age = { unit: "now" } | { unit: "minute" | "hour" | "day"; count: number };

/** How long ago `then` was, in the largest unit that fits; a clock that was set back is "now". */
export function ageOf(then: number, now: number): Age {
  const passed = now - then;
  if (passed < MINUTE) return { unit: "now" };
  if (passed < HOUR) return { unit: "minute", count: Math.floor(passed / MINUTE) };
  if (passed < DAY) return { unit: "hour", count: Math.floor(passed / HOUR) };
  return { unit: "day", count: Math.floor(passed / DAY) };
}

/**
 * A departure, "2013-07-04T08:15", as milliseconds of the device's own clock. Whoever is elsewhere than the origin is
 * some hours off, which the hours that are waited after a departure allow for.
 */
export function departureTime(departure: string): number {
  return new Date(departure).getTime();
}

/** Tomorrow at eight, as the form's first suggestion: "2013-07-04T08:00". */
export function tomorrowMorning(now: Date): string {
  const day = new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1);
  const pad = (part: number) => String(part).padStart(2, "0");
  return `${day.getFullYear()}-${pad(day.getMonth() + 1)}-${pad(day.getDate())}T08:00`;
}
