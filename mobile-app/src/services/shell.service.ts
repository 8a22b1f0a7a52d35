import { App } from "@capacitor/app";
import { Capacitor } from "@capacitor/core";
import { CapacitorUpdater } from "@capgo/capacitor-updater";

import { dev } from "../../config/dev.config";
import type { Environment } from "../../config/environment";
import { prod, stage } from "../../config/prod.config";
import type { Place } from "./started.service";

/** The native app around the bundle. */
export interface Shell {
  environment: Environment;
  /** Version and build of the native app; undefined in a browser. */
  version?: string;
  /** Version of the bundle that came over the air; undefined while the store's own runs. */
  bundle?: string;
}

/** All configurations are in the bundle; which one counts says the id of the app that runs it. */
export function environmentOf(appId: string): Environment {
  return [dev, stage].find((environment) => appId.endsWith(environment.idSuffix)) ?? prod;
}

export async function openShell(): Promise<Shell> {
  // A browser has no shell: a developer's server hands `/api` on to the backend.
  if (!Capacitor.isNativePlatform()) return { environment: { ...dev, api: window.location.origin } };
  const { id, version, build } = await App.getInfo();
  return { environment: environmentOf(id), version: `${version} (${build})`, bundle: await runningBundle() };
}

/** Names this start of the app. */
const session = crypto.randomUUID();

/** The updater's name for this device, which the backend must know it by as well: a cohort is made of the name. Without an updater undefined. */
export async function updatersDevice(): Promise<string | undefined> {
  return hasUpdater() ? (await CapacitorUpdater.getDeviceId()).deviceId : undefined;
}

/** Which bundle has started where; undefined without an updater, where nobody waits for its word. */
export async function startedOn(): Promise<Place | undefined> {
  if (!hasUpdater()) return undefined;
  const [{ id }, { bundle }, { deviceId }] = await Promise.all([
    App.getInfo(),
    CapacitorUpdater.current(),
    CapacitorUpdater.getDeviceId(),
  ]);
  return { api: environmentOf(id).api, device: deviceId, bundle: bundle.id === "builtin" ? "builtin" : bundle.version, session };
}

/** Tell the updater that this bundle works, or it goes back to the one before. */
export async function confirmBundle(): Promise<void> {
  if (hasUpdater()) await CapacitorUpdater.notifyAppReady();
}

async function runningBundle(): Promise<string | undefined> {
  if (!hasUpdater()) return undefined;
  const { bundle } = await CapacitorUpdater.current();
  return bundle.id === "builtin" ? undefined : bundle.version;
}

/** In a native shell. The plugin has a stand-in for browsers, which updates nothing. */
function hasUpdater(): boolean {
  return Capacitor.isNativePlatform() && Capacitor.isPluginAvailable("CapacitorUpdater");
}
