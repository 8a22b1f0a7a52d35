import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Page, Request } from "playwright-core";

import { strings } from "../../src/strings";
import { Phones, backend, carryBundle } from "./phone";
import { FLIGHT, ask, figure, fillIn, open, shown, submit, typeIn } from "./steps";

let phones: Phones;
beforeAll(async () => {
  phones = await Phones.open();
});
afterEach(() => phones.reset());
afterAll(() => phones.close());

/** The Idempotency-Keys of all questions that leave the phone from now on. */
function keysSent(page: Page): string[] {
  const keys: string[] = [];
  page.on("request", (request) => {
    const key = request.headers()["idempotency-key"];
    if (request.url().endsWith("/api/predict") && request.method() === "POST" && key !== undefined) keys.push(key);
  });
  return keys;
}

test("a question that is asked without a network waits, and is sent once when it is back", async () => {
  const page = await phones.phone();
  const keys = keysSent(page);
  await carryBundle(page);
  await page.context().setOffline(true);
  await page.getByText(strings.offline).waitFor();
  await ask(page);
  await shown(page).getByText(strings.answer.waiting).waitFor();
  await open(page, "flights");
  await shown(page).getByText(strings.flights.waiting, { exact: true }).waitFor();
  expect(keys).toEqual([]);
  await page.context().setOffline(false);
  await shown(page).getByText(/^\d+ %$/).waitFor();
  expect(keys.length).toBe(1);
});

test("without a network the app starts and shows saved answers with their age", async () => {
  const page = await phones.phone();
  await ask(page);
  const told = await figure(page);
  await page.getByRole("button", { name: strings.answer.save }).click();
  await carryBundle(page);
  await page.context().setOffline(true);
  await page.goto(phones.origin);
  await page.getByText(strings.offline).waitFor();
  await open(page, "flights");
  await shown(page).getByText(told).waitFor();
  await shown(page).getByText(/(just now|minutes? ago)$/).waitFor();
});

test("an answer that is lost on its way is fetched under the same key, and the flight is asked about once", async () => {
  const page = await phones.phone();
  const keys = keysSent(page);
  let lost: string | undefined;
  await page.route("**/api/predict", async (route) => {
    const answer = await route.fetch({ url: `${backend().url}/api/predict` });
    if (lost === undefined) {
      lost = ((await answer.json()) as { id: string }).id;
      await route.abort("connectionreset");
    } else {
      await route.fulfill({ response: answer });
    }
  });
  const answered = page.waitForResponse((response) => response.url().endsWith("/api/predict") && response.ok());
  await ask(page);
  await shown(page).getByText(strings.problem.text({ kind: "unreachable" })).waitFor();
  const answer = await answered;
  expect(((await answer.json()) as { id: string }).id).toBe(lost);
  expect(answer.headers()["idempotent-replayed"]).toBe("true");
  await figure(page);
  expect(keys.length).toBe(2);
  expect(keys[0]).toBe(keys[1]);
});

test("a 503 is told, and asked again by itself after Retry-After, until the model is back", async () => {
  const page = await phones.phone();
  const sent: Request[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/api/predict") && request.method() === "POST") sent.push(request);
  });
  const { modelProcess } = backend();
  process.kill(modelProcess, "SIGSTOP");
  try {
    await ask(page);
    await shown(page).getByText(strings.problem.text({ kind: "busy", retryAt: 0 })).waitFor();
    await shown(page).getByText(/^Request [0-9a-f-]{32,36}$/).waitFor();
    await shown(page).getByText(/asked again by itself/).waitFor();
  } finally {
    process.kill(modelProcess, "SIGCONT");
  }
  await figure(page);
  const last = sent.pop()!;
  expect((await last.response())?.status()).toBe(200);
  expect(sent.length).toBeGreaterThan(0);
  for (const [index, request] of sent.entries()) {
    const answer = (await request.response())!;
    expect(answer.status()).toBe(503);
    // By the browser's own clock, as the test hears of it some time later.
    const { startTime, responseStart } = request.timing();
    const retryAfter = 1000 * Number(answer.headers()["retry-after"]);
    expect((sent[index + 1] ?? last).timing().startTime).toBeGreaterThanOrEqual(startTime + responseStart + retryAfter);
  }
});

test("what is wrong with a field stands at the field, and the field is there to be mended", async () => {
  const page = await phones.phone({ byCode: true });
  await typeIn(page, { ...FLIGHT, origin: "SFO", carrier: "ZZ" });
  await submit(page);
  const origin = page.getByLabel(strings.ask.origin, { exact: true });
  const carrier = page.getByLabel(strings.ask.carrier, { exact: true });
  await page.locator("#origin-error").waitFor();
  expect(await page.locator("#origin-error").innerText()).toBe("Allowed: one of EWR, JFK, LGA");
  expect(await page.locator("#carrier-error").innerText()).toMatch(/^Allowed: one of 9E, AA, /);
  expect(await origin.getAttribute("aria-describedby")).toContain("origin-error");
  expect(await origin.evaluate((field) => field === document.activeElement)).toBe(true);
  await origin.fill("JFK");
  expect(await page.locator("#origin-error").count()).toBe(0);
  await carrier.fill("B6");
  await submit(page);
  await figure(page);
});

test("a field that is left empty is named before anything is sent", async () => {
  const page = await phones.phone();
  const keys = keysSent(page);
  await submit(page);
  expect(await page.locator(".error").allInnerTexts()).toEqual(Array(3).fill(strings.ask.fillIn));
  expect(keys).toEqual([]);
});

test("the sign-in page of a Wi-Fi is not taken for an answer", async () => {
  const page = await phones.phone();
  await page.route("**/api/predict", (route) =>
    route.fulfill({ status: 200, contentType: "text/html", body: "<html>Sign in</html>" }),
  );
  await ask(page);
  await shown(page).getByText(strings.problem.text({ kind: "stranger" })).waitFor();
  await page.unroute("**/api/predict");
  await figure(page);
});

test("on a slow network a person is told that it is the network, and gets the answer", async () => {
  const page = await phones.phone();
  const network = await page.context().newCDPSession(page);
  await network.send("Network.enable");
  await fillIn(page);
  await network.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 6_000,
    downloadThroughput: 4_000,
    uploadThroughput: 4_000,
  });
  await submit(page);
  await shown(page).getByText(strings.ask.slow).waitFor();
  await figure(page);
});

test("a backend that can't be reached is told, and asked again by itself", async () => {
  const page = await phones.phone();
  await page.route("**/api/predict", (route) => route.abort("connectionrefused"));
  await ask(page);
  await shown(page).getByText(strings.problem.text({ kind: "unreachable" })).waitFor();
  await page.unroute("**/api/predict");
  await figure(page);
});
