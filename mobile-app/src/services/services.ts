import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";

import { App } from "@capacitor/app";

import { apiClient } from "../../config/api.client";
import { ApiService } from "./api.service";
import { followNetwork } from "./network.service";
import { Observable } from "./observable";
import { PlacesService } from "./places.service";
import { QuestionsService } from "./questions.service";
import { openShell, updatersDevice, type Shell } from "./shell.service";
import { spans } from "./spans";
import { deviceStorage } from "./storage.service";

/** All that the screens use. */
export interface Services {
  shell: Shell;
  deviceId: string;
  connected: Observable<boolean>;
  places: PlacesService;
  questions: QuestionsService;
}

/** Puts the app together: the one place where services are made. */
export async function startServices(): Promise<Services> {
  const [shell, connected, deviceId] = await Promise.all([openShell(), followNetwork(), thisDevice()]);
  const api = new ApiService(apiClient(shell.environment.api, deviceId, spans.middleware()));
  const places = new PlacesService(api, deviceStorage);
  const questions = new QuestionsService(api, deviceStorage, connected);
  await Promise.all([places.start(), questions.start()]);
  connected.subscribe(() => connected.get() && void places.refresh());
  void places.refresh();
  await App.addListener("resume", () => questions.resume());
  return { shell, deviceId, connected, places, questions };
}

/** A random number that stands for this device; it says nothing of its owner. In a shell with an updater it is the updater's. */
async function thisDevice(): Promise<string> {
  const native = await updatersDevice();
  if (native !== undefined) return native;
  const known = await deviceStorage.read<string>("device");
  if (known !== undefined) return known;
  const made = crypto.randomUUID();
  await deviceStorage.write("device", made);
  return made;
}

const Context = createContext<Services | null>(null);
export const ServicesProvider = Context.Provider;

export function useServices(): Services {
  const services = useContext(Context);
  if (services === null) throw new Error("a screen is shown outside of ServicesProvider");
  return services;
}

export function useValue<Value>(observable: Observable<Value>): Value {
  return useSyncExternalStore(observable.subscribe, observable.get);
}

/** The time, told anew every `every` milliseconds. */
export function useNow(every: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
