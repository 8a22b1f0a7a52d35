import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { strings } from "../../src/strings";
import { Phones, backend } from "./phone";
import { DAY, FLIGHT, ask, figure, open, shown, submit, typeIn } from "./steps";

let phones: Phones;
beforeAll(async () => {
  phones = await Phones.open();
});
afterEach(() => phones.reset());
afterAll(() => phones.close());

test("a flight is asked about, answered, saved, and found again after a restart", async () => {
  const page = await phones.phone();
  await ask(page);
  const told = await figure(page);
  await page.getByText("such flights").waitFor();
  await page.getByText(/Answered by model v\d/).waitFor();
  await page.getByRole("button", { name: strings.answer.save }).click();
  await page.getByRole("button", { name: strings.answer.remove }).waitFor();
  await page.goto(phones.origin);
  await page.getByRole("button", { name: `${strings.ask.origin} John F Kennedy Intl (JFK)` }).waitFor();
  expect(await page.getByLabel(strings.ask.departure).inputValue()).toBe(FLIGHT.departure);
  await open(page, "flights");
  await shown(page).getByText(told).waitFor();
  await shown(page).getByText("John F Kennedy Intl to Los Angeles Intl").click();
  expect(await figure(page)).toBe(told);
});

test("the answer is the one that the backend keeps", async () => {
  const page = await phones.phone();
  const answered = page.waitForResponse((response) => response.url().endsWith("/api/predict") && response.ok());
  await ask(page);
  const { id, probability } = (await (await answered).json()) as { id: string; probability: number };
  expect(await figure(page)).toBe(strings.answer.percent(probability));
  const kept = await fetch(`${backend().url}/api/predictions/${id}`);
  expect(((await kept.json()) as { probability: number }).probability).toBe(probability);
});

test("where the backend tells no places, codes are typed, and the keyboard alone is enough", async () => {
  const page = await phones.phone({ byCode: true });
  await typeIn(page);
  await page.getByLabel(strings.ask.departure).press("Enter");
  await figure(page);
  await page.getByRole("button", { name: strings.answer.save }).press("Enter");
  await page.getByRole("button", { name: strings.answer.remove }).waitFor();
});

test("at its first start the app learns the names, and airports and airlines are chosen by them", async () => {
  const page = await phones.phone({ kept: { places: null } });
  for (const [field, sought, name] of [
    [strings.ask.origin, "kennedy", "John F Kennedy Intl JFK"],
    [strings.ask.destination, "lax", "Los Angeles Intl LAX"],
    [strings.ask.carrier, "jet", "JetBlue Airways B6"],
  ] as const) {
    await page.getByRole("button", { name: new RegExp(`^${field}`) }).click();
    await page.getByRole("dialog", { name: field }).waitFor();
    await page.getByRole("searchbox").fill(sought);
    await page.getByRole("button", { name, exact: true }).click();
    await page.getByRole("dialog").waitFor({ state: "hidden" });
  }
  await page.getByLabel(strings.ask.departure).fill(FLIGHT.departure);
  await submit(page);
  await figure(page);
  await shown(page).getByText("John F Kennedy Intl to Los Angeles Intl").waitFor();
});

test("a place is chosen by the keyboard alone, which then is back at its field", async () => {
  const page = await phones.phone();
  const field = page.getByRole("button", { name: new RegExp(`^${strings.ask.origin}`) });
  await field.press("Enter");
  await page.getByRole("searchbox").waitFor();
  const wanted = page.getByRole("button", { name: "John F Kennedy Intl JFK", exact: true });
  const isReached = () => wanted.evaluate((button) => button === document.activeElement);
  for (let step = 0; step < 10 && !(await isReached()); step++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await page.waitForFunction(() => document.activeElement?.id === "origin");
  expect(await field.innerText()).toBe("John F Kennedy Intl (JFK)");
});

test("a day by the hour says which departure is safer", async () => {
  const answer = { id: "p", probability: 0.2, late: false, model_version: "v1.0" };
  const question = { id: "q", flight: FLIGHT, askedAt: 1, answeredAt: 1, saved: true, answer, outlook: DAY };
  const page = await phones.phone({ kept: { questions: [question] } });
  await open(page, "flights");
  await shown(page).getByText("John F Kennedy Intl to Los Angeles Intl").click();
  await page.getByText("Safest departure: 05:15, 5 %").waitFor();
  expect(await page.locator('.hours [aria-current="true"]').innerText()).toContain("08:15");
});

test("the answer has its day by the hour, with the answer's own chance at its own hour", async () => {
  const page = await phones.phone();
  await ask(page);
  const told = await figure(page);
  const own = shown(page).locator('.hours [aria-current="true"]');
  expect(await own.locator(".time").innerText()).toBe("08:15");
  expect(await own.locator(".percent").innerText()).toBe(told);
  expect(await shown(page).locator(".hours li").count()).toBe(18);
});

test("an answer says whether it knows the airport now, or what is usual there", async () => {
  const answer = { id: "p", probability: 0.2, late: false, model_version: "v1.0" };
  const question = { flight: FLIGHT, askedAt: 1, answeredAt: 1, saved: true };
  const questions = [
    { ...question, id: "new", answer: { ...answer, basis: { airport: "live", weather: "typical" } } },
    { ...question, id: "old", answer },
  ];
  const page = await phones.phone({ kept: { questions } });
  for (const [id, text] of [
    ["new", "leave now, and the usual weather"],
    ["old", "usually is at that hour, and the usual weather"],
  ]) {
    await page.goto(`${phones.origin}/ask/${id}`);
    await shown(page).getByText(text!).waitFor();
  }
});

test("after a saved flight it is asked whether it was late, once", async () => {
  const page = await phones.phone();
  await ask(page);
  await figure(page);
  expect(await shown(page).getByText(strings.outcome.question).count()).toBe(0);
  await page.getByRole("button", { name: strings.answer.save }).click();
  const told = page.waitForRequest((request) => request.url().endsWith("/outcome") && request.method() === "POST");
  await shown(page).getByRole("button", { name: strings.outcome.yes }).click();
  expect((await told).postDataJSON()).toEqual({ late: true });
  expect(await (await (await told).response())?.json()).toMatchObject({ late: true, source: "device" });
  await shown(page).getByText(strings.outcome.told).waitFor();
  expect(await shown(page).getByRole("button", { name: strings.outcome.yes }).count()).toBe(0);
});
