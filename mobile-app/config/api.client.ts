import createClient, { type Client } from "openapi-fetch";

import type { paths as AheadPaths } from "./api.ahead";
import type { components, paths } from "./api.types";

export type Flight = components["schemas"]["Flight"];
export type Prediction = components["schemas"]["Prediction"];
export type { Outlook, Place, Places } from "./api.ahead";

export type ApiClient = Client<paths & AheadPaths>;

/** A client for one backend. `deviceId` keeps a device on one model version. */
export function apiClient(baseUrl: string, deviceId: string): ApiClient {
  return createClient<paths & AheadPaths>({ baseUrl, headers: { "x-device-id": deviceId } });
}
