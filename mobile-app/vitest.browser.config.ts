import { defineConfig } from "vitest/config";

// One backend serves all of them, and some of them stop it: one after the other.
export default defineConfig({
  test: {
    include: ["tests/browser/**/*.browser.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
