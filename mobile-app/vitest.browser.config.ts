import { defineConfig } from "vitest/config";

// One backend serves all of them, and some stop it: one after the other. Times are for a machine that does ten other things.
export default defineConfig({
  test: {
    include: ["tests/browser/**/*.browser.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 120_000,
  },
});
