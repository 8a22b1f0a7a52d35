import type { Prediction } from "../config/api.client";
import type { Chance } from "./rules/chance";
import type { Problem } from "./rules/problem";
import type { Age } from "./rules/time";

/** Every word that people read, in English. Another language is another file of this shape. */
export const strings = {
  appName: "Ontime",
  language: "English",
  navigation: "Main",
  couldNotStart: "Ontime could not start. Close it and open it again; if that does not help, install it again.",
  offline: "No network. You can look at what is saved, and ask: it is sent once the network is back.",

  ask: {
    title: "Ask",
    heading: "Will my flight be late?",
    origin: "From",
    destination: "To",
    carrier: "Airline",
    departure: "Departure, local time",
    choose: "Choose",
    originHint: "Airport code, such as JFK",
    destinationHint: "Airport code, such as LAX",
    carrierHint: "Airline code, such as B6",
    search: "Search by name or code",
    none: "Nothing by that name or code",
    close: "Close",
    submit: "Ask",
    sending: "Asking …",
    slow: "The network is slow. You can go on: the question is kept and its answer shows up under My flights.",
    fillIn: "Fill this in",
    expected: (allowed: string) => `Allowed: ${allowed}`,
  },

  answer: {
    title: "Answer",
    late: "Probably late",
    onTime: "Probably on time",
    sentence: (chance: Chance) =>
      `${capital(chance.bound)} ${chance.count} in ${chance.of} such flights ${chance.count === 1 ? "arrives" : "arrive"} more than 15 minutes late.`,
    percent: (probability: number) => `${Math.round(probability * 100)} %`,
    asOf: (age: string) => `Answered ${age}`,
    byHour: "The same day by the hour",
    thisDeparture: "this departure",
    safest: (time: string, percent: string) => `Safest departure: ${time}, ${percent}`,
    alreadySafest: "No other hour of this day is safer.",
    restsOn: "What this rests on",
    /** `basis` of an answer: null in answers that were saved before there was one. */
    restsOnText: (basis: Prediction["basis"] | undefined) =>
      `Flights from New York in 2013: airline, route, weekday and hour, ${
        basis?.airport === "live" ? "how late this airport's flights leave now" : "how late this airport usually is at that hour"
      }, and ${
        basis?.weather === "live" ? "the weather there now" : "the usual weather of the month"
      }. It does not know what else happens on the day.`,
    model: (version: string) => `Answered by model ${version}`,
    save: "Save to My flights",
    saved: "Saved",
    remove: "Remove from My flights",
    again: "Ask again",
    gone: "This question is no longer on this device.",
    waiting: "Waiting for an answer",
    waitingAgain: "Asking again",
  },

  flights: {
    title: "My flights",
    heading: "My flights",
    none: "Nothing saved yet. Ask about a flight, then save it: it is asked about again by itself until it leaves.",
    askFirst: "Ask about a flight",
    remove: (flight: string) => `Remove ${flight}`,
    waiting: "waiting",
    refused: "not answered",
  },

  outcome: {
    question: "Was it late, by more than 15 minutes?",
    yes: "Yes, late",
    no: "No, on time",
    told: "Thank you. It helps the next answers.",
    waiting: "Thank you. It is sent once the network is back.",
    refused: "Thank you. Ontime could not take it this time.",
  },

  about: {
    title: "About",
    heading: "About Ontime",
    app: "App",
    browser: "in a browser",
    bundle: "Bundle",
    asInstalled: "as installed",
    model: "Model of the last answer",
    noModel: "none yet",
    environment: "Environment",
    language: "Language",
    device: "Number of this device",
    privacy: "Privacy",
    privacyText:
      "Ontime has no accounts and does not ask for your location. A question sends the flight and the random number above, so that your answers come from one version of the model. Saved flights stay on this device. When the app meets an error of its own, it tells us which one and where in its code, under the same number. If you tell us whether a flight was late, we keep that with its answer.",
  },

  problem: {
    requestId: (id: string) => `Request ${id}`,
    retryIn: (seconds: number) => `It is asked again by itself in ${seconds} s.`,
    retryNow: "It is asked again by itself now.",
    text: (problem: Problem): string => PROBLEMS[problem.kind](problem as never),
    again: "Try again",
  },

  age: (age: Age): string => {
    if (age.unit === "now") return "just now";
    return `${age.count} ${age.unit}${age.count === 1 ? "" : "s"} ago`;
  },

  route: (origin: string, destination: string) => `${origin} to ${destination}`,
  departure: (local: string) => DEPARTURE.format(new Date(`${local.slice(0, 16)}Z`)),
  time: (local: string) => local.slice(11, 16),
};

/** A departure is a local time at its origin: written as it is, whatever zone the device is in. */
const DEPARTURE = new Intl.DateTimeFormat("en-GB", {
  weekday: "short",
  day: "numeric",
  month: "long",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZone: "UTC",
});

const PROBLEMS: { [Kind in Problem["kind"]]: (problem: Extract<Problem, { kind: Kind }>) => string } = {
  offline: () => "There is no network. The question is kept and sent once the network is back.",
  unreachable: () => "Ontime can't be reached. The question is kept and sent again by itself.",
  slow: () => "Ontime took too long to answer. The question is kept and sent again by itself.",
  stranger: () =>
    "Something else than Ontime answered. If this Wi-Fi has a sign-in page, sign in first. The question is sent again by itself.",
  busy: () => "Ontime can't answer right now. The question is kept.",
  refused: ({ message, fields }) =>
    `Ontime can't answer this question: ${message || fields.map((field) => `${field.path}: ${field.allowed}`).join("; ")}. Change it and ask again.`,
  missing: () => "Ontime does not know this any more. Ask again.",
  broken: ({ status }) =>
    `Something went wrong at Ontime (${status}). Try again; if it stays, tell us the request below.`,
};

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
