/** A phone for tests: the built bundle in Chromium, in a native shell as far as JavaScript sees one. */
import { createServer, type Server } from "node:http";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";

import { dev } from "../../config/dev.config";
import type { Places } from "../../config/api.client";
import { APP_ID } from "../../config/environment";

/** The bundle that is tested, as `npm run build` made it. */
export const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
/** Milliseconds; only a test that fails waits for so long, also on a busy machine. */
const PATIENCE = 60_000;
/** Keeps a Chromium without a network from looking for one. */
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** What a backend answers a path that it does not have. */
const UNKNOWN = {
  status: 404,
  headers: { "access-control-allow-origin": "*" },
  json: { error: { code: "not_found", message: "Not Found", details: [] }, request_id: "r" },
};

/** Some of what the backend tells. */
export const PLACES: Places = {
  origins: [
    { code: "EWR", name: "Newark Liberty Intl" },
    { code: "JFK", name: "John F Kennedy Intl" },
  ],
  destinations: [
    { code: "LAX", name: "Los Angeles Intl" },
    { code: "SFO", name: "San Francisco Intl" },
  ],
  carriers: [
    { code: "B6", name: "JetBlue Airways" },
    { code: "UA", name: "United Air Lines Inc." },
  ],
};

export interface Settings {
  dark?: boolean;
  /** Ionic's look: `ios` or `md`. */
  mode?: "ios" | "md";
  /** What the native shell says its app's id is; undefined is a browser without a shell. */
  appId?: string | null;
  /** The bundle that came over the air, as the shell's updater calls it; without it the shell has no updater. */
  bundle?: string;
  /** The shell gives no answers. */
  broken?: boolean;
  reducedMotion?: boolean;
  /** What the device has kept from earlier; the places unless it is `{ places: null }`, as at the first start. */
  kept?: Record<string, unknown>;
  /** The backend does not tell places, as one before this release: codes are typed. */
  byCode?: boolean;
}

/** The backend's address, and the process of the model service behind it, as whoever started them tells. */
export function backend(): { url: string; modelProcess: number } {
  const { BACKEND_URL, MODEL_PROCESS } = process.env;
  if (BACKEND_URL === undefined || MODEL_PROCESS === undefined)
    throw new Error("BACKEND_URL and MODEL_PROCESS must name a running backend and its model service: make mobile-test");
  return { url: BACKEND_URL, modelProcess: Number(MODEL_PROCESS) };
}

/** Phones that share one Chromium and one place from which the bundle comes. */
export class Phones {
  readonly #contexts: BrowserContext[] = [];

  private constructor(
    private readonly browser: Browser,
    private readonly server: Server,
    readonly origin: string,
    /** Paths that were asked for, in order. */
    readonly served: string[],
  ) {}

  static async open(): Promise<Phones> {
    const served: string[] = [];
    const server = createServer((request, response) => {
      const path = new URL(request.url ?? "/", "http://localhost").pathname;
      fileOf(path).then(
        ({ body, type, name }) => {
          served.push(name);
          response.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(body);
        },
        () => response.writeHead(404).end(),
      );
    });
    // The port is given: the backend must name the origin that it lets in before the first page is there.
    const port = Number(process.env.APP_PORT ?? 0);
    await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
    const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      // The dev environment's address leads to the backend under test.
      args: [...QUIET, `--host-resolver-rules=MAP ${new URL(dev.api).host} ${new URL(backend().url).host}`],
    });
    return new Phones(browser, server, origin, served);
  }

  async phone(settings: Settings = {}): Promise<Page> {
    const context = await this.browser.newContext({
      viewport: { width: 390, height: 844 },
      isMobile: true,
      hasTouch: true,
      locale: "en-GB",
      colorScheme: settings.dark ? "dark" : "light",
      reducedMotion: settings.reducedMotion === false ? "no-preference" : "reduce",
    });
    context.setDefaultTimeout(PATIENCE);
    this.#contexts.push(context);
    const page = await context.newPage();
    const { appId = `${APP_ID}.dev`, broken = false, byCode = false, bundle } = settings;
    if (byCode) await page.route("**/api/places", (route) => route.fulfill(UNKNOWN));
    await page.addInitScript(beAShell, { appId, broken, bundle });
    await page.addInitScript(keep, { ...(byCode ? {} : { places: PLACES }), ...settings.kept });
    if (!broken) page.on("pageerror", (error) => console.error("uncaught in the page:", error));
    await page.goto(`${this.origin}/${settings.mode === undefined ? "" : `?ionic:mode=${settings.mode}`}`);
    if (!broken) await page.getByRole("heading", { level: 1 }).first().waitFor();
    return page;
  }

  /** Throw away all phones, with what they kept. */
  async reset(): Promise<void> {
    for (const context of this.#contexts.splice(0)) await context.close();
  }

  async close(): Promise<void> {
    await this.reset();
    await this.browser.close();
    await new Promise((done) => this.server.close(done));
  }
}

/** From here on the bundle comes from the phone itself, as in the native shell: without a network, too. */
export async function carryBundle(page: Page): Promise<void> {
  await page.route(`${new URL(page.url()).origin}/**`, async (route) => {
    const { body, type } = await fileOf(new URL(route.request().url()).pathname);
    await route.fulfill({ body, contentType: type });
  });
}

/** The bundle's file at a path; every other path is the app's own, as in the native shell. */
export async function fileOf(path: string): Promise<{ body: Buffer; type: string; name: string }> {
  const name = extname(path) === "" ? "index.html" : normalize(path).replace(/^\/+/, "");
  return { body: await readFile(join(DIST, name)), type: TYPES[extname(name)] ?? "application/octet-stream", name };
}

/** What a page finds in a native shell that has the plugin App, and the updater; the others are as in a browser. */
function beAShell({ appId, broken, bundle }: { appId: string | null; broken: boolean; bundle: string | undefined }): void {
  if (appId === null) return;
  const methods = [
    { name: "getInfo", rtype: "promise" },
    { name: "addListener", rtype: "callback" },
    { name: "removeListener", rtype: "callback" },
  ];
  const updater = ["current", "getDeviceId", "notifyAppReady"].map((name) => ({ name, rtype: "promise" }));
  const answers: Record<string, object> = {
    getInfo: { id: appId, name: "Ontime", version: "1.0.0", build: "1" },
    current: { bundle: { id: "downloaded", version: bundle }, native: "1.0.0" },
    getDeviceId: { deviceId: "0f8fad5b-d9cb-469f-a165-70867728950e" },
    notifyAppReady: {},
  };
  Object.assign(window, {
    CapacitorCustomPlatform: { name: "android", plugins: {} },
    Capacitor: {
      PluginHeaders: [{ name: "App", methods }, ...(bundle ? [{ name: "CapacitorUpdater", methods: updater }] : [])],
      nativePromise: (_plugin: string, method: string) =>
        broken ? Promise.reject(new Error("no such plugin")) : Promise.resolve(answers[method]),
      nativeCallback: () => Promise.resolve("listener"),
    },
  });
}

function keep(values: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(values)) {
    const key = `CapacitorStorage.${name}`;
    if (localStorage.getItem(key) === null) localStorage.setItem(key, JSON.stringify(value));
  }
}
