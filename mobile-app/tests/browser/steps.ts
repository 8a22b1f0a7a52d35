/** What people do with the app, in their words. */
import type { Locator, Page } from "playwright-core";

import type { Flight, Outlook } from "../../config/api.client";
import { strings } from "../../src/strings";

export const FLIGHT: Flight = { origin: "JFK", destination: "LAX", carrier: "B6", departure: "2013-07-04T08:15" };

export const DAY: Outlook = {
  model_version: "v1.0",
  hours: Array.from({ length: 18 }, (_, hour) => ({
    departure: `2013-07-04T${String(hour + 5).padStart(2, "0")}:15`,
    probability: 0.05 + hour * 0.03,
  })),
};

/** The part of the page that is shown; Ionic keeps earlier screens beside it. */
export function shown(page: Page): Locator {
  return page.locator(".ion-page:not(.ion-page-hidden):not(.ion-page-invisible)").last();
}

export async function fillIn(page: Page, flight: Flight = FLIGHT): Promise<void> {
  await choose(page, strings.ask.origin, flight.origin);
  await choose(page, strings.ask.destination, flight.destination);
  await choose(page, strings.ask.carrier, flight.carrier);
  await page.getByLabel(strings.ask.departure, { exact: true }).fill(flight.departure);
}

/** Choose an airport or airline from the list of its field, unless it is chosen already. */
async function choose(page: Page, field: string, code: string): Promise<void> {
  const button = page.getByRole("button", { name: new RegExp(`^${field}`) });
  if ((await button.innerText()).endsWith(`(${code})`)) return;
  await button.click();
  await page.getByRole("searchbox").fill(code);
  await page.getByRole("button", { name: new RegExp(` ${code}$`) }).click();
  await page.getByRole("dialog").waitFor({ state: "hidden" });
}

/** As `fillIn`, where codes are typed. */
export async function typeIn(page: Page, flight: Flight = FLIGHT): Promise<void> {
  await page.getByLabel(strings.ask.origin, { exact: true }).fill(flight.origin);
  await page.getByLabel(strings.ask.destination, { exact: true }).fill(flight.destination);
  await page.getByLabel(strings.ask.carrier, { exact: true }).fill(flight.carrier);
  await page.getByLabel(strings.ask.departure, { exact: true }).fill(flight.departure);
}

export async function ask(page: Page, flight: Flight = FLIGHT): Promise<void> {
  await fillIn(page, flight);
  await submit(page);
}

export async function submit(page: Page): Promise<void> {
  await shown(page).getByRole("button", { name: strings.ask.submit, exact: true }).click();
}

/** The answer's figure, such as "31 %", once it is there. */
export async function figure(page: Page): Promise<string> {
  const text = await shown(page).locator(".figure").textContent();
  if (text === null || !/^\d+ %$/.test(text)) throw new Error(`expected a percentage, found ${text}`);
  return text;
}

export async function open(page: Page, tab: "ask" | "flights" | "about"): Promise<void> {
  await page.getByRole("tab", { name: strings[tab].title }).click();
  await page.getByRole("heading", { level: 1, name: strings[tab].heading }).waitFor();
}
