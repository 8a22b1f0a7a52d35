import type { Environment } from "./environment";

/** The router of a developer's own machine: `adb reverse tcp:8081 tcp:8081` brings it to a phone's localhost. */
export const dev: Environment = { name: "dev", idSuffix: ".dev", api: "http://localhost:8081" };
