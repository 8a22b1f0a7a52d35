import { expect, test } from "vitest";

import { ageOf, tomorrowMorning } from "../../src/rules/time";
import { strings } from "../../src/strings";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

test.each([
  ["just now", -HOUR],
  ["just now", 59 * SECOND],
  ["1 minute ago", MINUTE],
  ["59 minutes ago", 59 * MINUTE + 59 * SECOND],
  ["1 hour ago", HOUR],
  ["23 hours ago", 24 * HOUR - 1],
  ["1 day ago", 24 * HOUR],
  ["10 days ago", 250 * HOUR],
])("%s", (told, passed) => {
  expect(strings.age(ageOf(0, passed))).toBe(told);
});

test("a departure is told as its airport's clock shows it, also in the hour that daylight saving leaves out", () => {
  expect(strings.departure("2013-03-10T02:30")).toMatch(/^Sun,? 10 March 2013( at|,)? 02:30$/);
  expect(strings.departure("2013-07-04T08:15:00")).toMatch(/^Thu,? 4 July 2013( at|,)? 08:15$/);
});

test("the first suggestion is tomorrow morning, over the end of a year as well", () => {
  expect(tomorrowMorning(new Date(2026, 11, 31, 23, 59))).toBe("2027-01-01T08:00");
});
