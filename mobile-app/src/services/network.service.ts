import { Network } from "@capacitor/network";

import { Observable } from "./observable";

/** Whether the device has a network. The device tells: `navigator.onLine` is wrong in Android's web view. */
export async function followNetwork(): Promise<Observable<boolean>> {
  const status = await Network.getStatus();
  const connected = new Observable(status.connected);
  await Network.addListener("networkStatusChange", (changed) => connected.set(changed.connected));
  return connected;
}
