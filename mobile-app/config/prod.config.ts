import type { Environment } from "./environment";

export const prod: Environment = { name: "prod", idSuffix: "", api: "https://ontime.example.com" };

/** As production in all but its address and its data. */
export const stage: Environment = { name: "stage", idSuffix: ".stage", api: "https://stage.ontime.example.com" };
