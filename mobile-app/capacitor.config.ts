import { existsSync, readFileSync } from "node:fs";

import type { CapacitorConfig } from "@capacitor/cli";

import { dev } from "./config/dev.config";
import { APP_ID } from "./config/environment";
import { prod, stage } from "./config/prod.config";

const wanted = process.env.APP_ENVIRONMENT ?? "prod";
const environment = [dev, stage, prod].find(({ name }) => name === wanted);
if (environment === undefined) throw new Error(`APP_ENVIRONMENT: expected dev, stage or prod, found ${wanted}`);

// The public half of the environment's signing key. A shell without it takes no bundle over the air: whoever answered in
// the service's place could give it any code.
const keyFile = `config/keys/${environment.name}.pem`;
const publicKey = existsSync(keyFile) ? readFileSync(keyFile, "utf8") : undefined;

/** The native shell of one environment; the bundle inside is the same in all. */
const config: CapacitorConfig = {
  appId: `${APP_ID}${environment.idSuffix}`,
  appName: environment.idSuffix === "" ? "Ontime" : `Ontime ${environment.name}`,
  webDir: "dist",
  // The router of one's own machine speaks HTTP.
  server: { androidScheme: "https", cleartext: environment.api.startsWith("http:") },
  plugins: {
    CapacitorUpdater: {
      // Bundles come from the environment's own service; by default all three would be the vendor's.
      updateUrl: `${environment.api}/ota/updates`,
      statsUrl: `${environment.api}/ota/stats`,
      channelUrl: `${environment.api}/ota/channel`,
      publicKey,
      autoUpdate: publicKey === undefined ? "off" : "atBackground",
      // An app that stays open asks once an hour.
      periodCheckDelay: 3600,
      // The channel is the environment, and no page may change where this shell asks.
      defaultChannel: environment.name,
      allowSetDefaultChannel: false,
    },
  },
};

export default config;
