import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import { strings } from "../../src/strings";
import { PLACES, Phones } from "./phone";
import { DAY, FLIGHT, ask, open, shown, submit } from "./steps";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const ANSWER = { id: "p", probability: 0.62, late: true, threshold: 0.5, model_version: "v1.0" };
const SAVED = { id: "q", flight: FLIGHT, askedAt: 1, answeredAt: 1, saved: true, answer: ANSWER, outlook: DAY };
const WAITING = {
  id: "w",
  flight: { ...FLIGHT, destination: "SFO" },
  askedAt: 2,
  saved: false,
  sending: { key: "k", attempts: 1, notBefore: 4e12, problem: { kind: "busy", retryAt: 4e12, requestId: "r" } },
};

/** How a person comes to each screen, each in the state that has most to show. */
const SCREENS: Record<string, (page: Page) => Promise<unknown>> = {
  "Ask, by code": (page) => open(page, "ask"),
  "Ask, wrong": async (page) => {
    await page.getByLabel(strings.ask.origin, { exact: true }).fill("");
    await submit(page);
    await page.locator("#origin-error").waitFor();
  },
  "Answer": async (page) => {
    await open(page, "flights");
    await shown(page).getByText("JFK to LAX").click();
    await page.locator(".hours").waitFor();
  },
  "Answer, waiting": async (page) => {
    await open(page, "flights");
    await shown(page).getByText("JFK to SFO").click();
    await shown(page).getByText("Request r").waitFor();
  },
  "My flights": (page) => open(page, "flights"),
  "About": (page) => open(page, "about"),
};
const NAMED: typeof SCREENS = {
  "Ask, by name": (page) => open(page, "ask"),
  "Choosing an airport": async (page) => {
    await page.getByRole("button", { name: new RegExp(`^${strings.ask.origin}`) }).click();
    await page.getByRole("searchbox").waitFor();
  },
};
/** What the device has kept, and the screens that it is shown on. */
const STATES = [
  { byCode: true, kept: { questions: [SAVED, WAITING] }, screens: SCREENS },
  { byCode: false, kept: { questions: [SAVED], places: PLACES }, screens: NAMED },
];

let phones: Phones;
beforeAll(async () => {
  phones = await Phones.open();
});
afterEach(() => phones.reset());
afterAll(() => phones.close());

interface Violation {
  id: string;
  help: string;
  nodes: { html: string; failureSummary?: string }[];
}

/** What axe holds against the page, in a line each. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(() => Promise.all(document.getAnimations().map((each) => each.finished.catch(() => null))));
  // Evaluated as a developer's tools do: the page's own policy lets no such script in.
  await page.evaluate(`${AXE}; undefined`);
  const { violations } = await page.evaluate(
    () => (window as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }).axe.run(),
  );
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html.slice(0, 200)} ${failureSummary ?? ""}`),
  );
}

describe.each(["md", "ios"] as const)("in the look of %s", (mode) => {
  test.each(STATES)("axe finds nothing, light or dark, and 200 % text fits, on each screen", async ({ byCode, kept, screens }) => {
    const page = await phones.phone({ mode, byCode, kept });
    const found: Record<string, string[]> = {};
    for (const [name, go] of Object.entries(screens)) {
      await go(page);
      for (const colorScheme of ["dark", "light"] as const) {
        await page.emulateMedia({ colorScheme });
        found[`${name}, ${colorScheme}`] = await faults(page);
      }
      await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
      found[`${name}, large`] = await page.evaluate(cutOff);
      await page.evaluate(() => (document.documentElement.style.fontSize = ""));
    }
    expect(found).toEqual(Object.fromEntries(Object.keys(found).map((name) => [name, []])));
  });
});

/** Elements with text that stand out of the screen's side, or hide a part of their text. */
function cutOff(): string[] {
  const width = document.documentElement.clientWidth;
  const faults: string[] = [];
  for (const element of document.querySelectorAll<HTMLElement>(".page *, .places *")) {
    if (element.closest(".ion-page-hidden") !== null || element.innerText?.trim() === "") continue;
    const box = element.getBoundingClientRect();
    if (box.width === 0) continue;
    const hidden = getComputedStyle(element).overflowX === "hidden" && element.scrollWidth > element.clientWidth + 1;
    if (box.left < -1 || box.right > width + 1 || hidden) faults.push(`${element.outerHTML.slice(0, 120)}`);
  }
  return faults;
}

test("dark is dark and light is light", async () => {
  const background = (page: Page) =>
    page.evaluate(() => {
      const content = document.querySelector("ion-content")?.shadowRoot?.getElementById("background-content");
      return getComputedStyle(content!).backgroundColor;
    });
  const [dark, light] = [await phones.phone({ dark: true }), await phones.phone()];
  expect(brightness(await background(dark))).toBeLessThan(60);
  expect(brightness(await background(light))).toBeGreaterThan(200);
});

function brightness(color: string): number {
  const parts = color.match(/\d+/g)?.slice(0, 3).map(Number) ?? [];
  return parts.reduce((sum, part) => sum + part, 0) / parts.length;
}

test("a screen reader is told of the answer without looking for it", async () => {
  const page = await phones.phone();
  await ask(page);
  await shown(page).getByRole("status").getByText("such flights").waitFor();
});
