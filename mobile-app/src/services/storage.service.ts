import { Preferences } from "@capacitor/preferences";

/** Values as JSON in the device's own preferences, which outlive the web view's storage. */
export interface Storage {
  /** The value as it was kept; undefined when there is none, or none that can be read. */
  read<Value>(name: string): Promise<Value | undefined>;
  write(name: string, value: unknown): Promise<void>;
}

export const deviceStorage: Storage = {
  async read<Value>(name: string) {
    const { value } = await Preferences.get({ key: name });
    if (value === null) return undefined;
    try {
      return JSON.parse(value) as Value;
    } catch {
      return undefined;
    }
  },
  write(name, value) {
    return Preferences.set({ key: name, value: JSON.stringify(value) });
  },
};
