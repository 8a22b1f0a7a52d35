import { expect, test } from "vitest";

import { chanceOf } from "../../src/rules/chance";

test.each([
  [0, "fewer than", 1, 20],
  [0.049, "fewer than", 1, 20],
  [0.05, "about", 1, 10],
  [0.149, "about", 1, 10],
  [0.31, "about", 3, 10],
  [0.5, "about", 5, 10],
  [0.95, "about", 9, 10],
  [0.951, "more than", 19, 20],
  [1, "more than", 19, 20],
])("a probability of %f is %s %i in %i", (probability, bound, count, of) => {
  expect(chanceOf(probability)).toEqual({ bound, count, of });
});

test("no chance is told as never or always", () => {
  for (let thousandths = 0; thousandths <= 1000; thousandths++) {
    const { count, of } = chanceOf(thousandths / 1000);
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(of);
  }
});
