/** Where an app of one environment finds its backend, and how its native shell is called. */
export interface Environment {
  name: "dev" | "stage" | "prod";
  /** Comes after the app's id: two environments' shells are two apps, which one phone can have side by side. */
  idSuffix: "" | ".dev" | ".stage";
  /** Address of the environment's router, without a slash at its end. */
  api: string;
}

export const APP_ID = "com.example.ontime";
