import { existsSync } from "node:fs";

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Page, Request } from "playwright-core";

import { dev } from "../../config/dev.config";
import { DIST, Phones } from "./phone";

const BUNDLE = "1.0.0-4f53cda18c2b";

let phones: Phones;
beforeAll(async () => {
  phones = await Phones.open();
});
afterEach(() => phones.reset());
afterAll(() => phones.close());

/** A phone whose bundle came over the air, and what it asks the backend's address from its first line on. */
async function updated(): Promise<{ page: Page; asked: Request[] }> {
  const page = await phones.phone({ bundle: BUNDLE });
  const asked: Request[] = [];
  await page.route("**/ota/**", (route) => route.fulfill({ status: 200, headers: { "access-control-allow-origin": "*" }, json: {} }));
  page.on("request", (request) => void (request.url().startsWith(dev.api) && asked.push(request)));
  await page.reload();
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  return { page, asked };
}

test("the bundle's first request says that it has started, by a file of its own", async () => {
  const { asked } = await updated();
  await expect.poll(() => asked.length).toBeGreaterThan(0);
  expect(asked[0]!.url()).toBe(`${dev.api}/ota/started`);
  const { file, session_id, ...said } = JSON.parse(asked[0]!.postData()!) as Record<string, string>;
  expect(said).toEqual({ version: BUNDLE, device_id: "0f8fad5b-d9cb-469f-a165-70867728950e" });
  expect(existsSync(DIST + file), `${file} is in the bundle`).toBe(true);
  expect(session_id).toMatch(/^[0-9a-f-]{36}$/);
  // The backend knows the device by the same name: both put it into the same cohort.
  const asksPlaces = () => asked.find((one) => one.method() === "GET" && one.url().endsWith("/api/places"));
  await expect.poll(asksPlaces).toBeDefined();
  expect(await asksPlaces()!.headerValue("x-device-id")).toBe("0f8fad5b-d9cb-469f-a165-70867728950e");
});

test("an uncaught error is told, with its place and the bundle", async () => {
  const { page } = await updated();
  const told = page.waitForRequest("**/ota/v1/logs");
  await page.evaluate(() => void setTimeout(() => void ([] as { made?: { up: string } }[])[0]!.made!.up));
  const sent = JSON.stringify(JSON.parse((await told).postData()!));
  expect(sent).toContain('"exception.type","value":{"stringValue":"TypeError"}');
  expect(sent).toContain(`"service.version","value":{"stringValue":"${BUNDLE}"}`);
});
