import { expect, test } from "vitest";

import { APP_ID } from "../../config/environment";
import { environmentOf } from "../../src/services/shell.service";

test.each([
  ["dev", `${APP_ID}.dev`],
  ["stage", `${APP_ID}.stage`],
  ["prod", APP_ID],
  ["prod", "com.example.developers"],
])("%s is what %s asks", (name, appId) => {
  expect(environmentOf(appId).name).toBe(name);
});

test("no two environments ask the same backend", () => {
  const addresses = [".dev", ".stage", ""].map((suffix) => environmentOf(APP_ID + suffix).api);
  expect(new Set(addresses).size).toBe(3);
});
