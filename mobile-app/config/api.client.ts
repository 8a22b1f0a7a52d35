import createClient, { type Client, type Middleware } from "openapi-fetch";

import type { components, paths } from "./api.types";

export type Flight = components["schemas"]["Flight"];
export type Prediction = components["schemas"]["Prediction"];
export type Outlook = components["schemas"]["Outlook"];
export type Place = components["schemas"]["Place"];
export type Places = components["schemas"]["Places"];

export type ApiClient = Client<paths>;

/** A client for one backend. `deviceId` keeps a device on one model version; `middleware` sees each request. */
export function apiClient(baseUrl: string, deviceId: string, ...middleware: Middleware[]): ApiClient {
  const client = createClient<paths>({ baseUrl, headers: { "x-device-id": deviceId } });
  client.use(...middleware);
  return client;
}
