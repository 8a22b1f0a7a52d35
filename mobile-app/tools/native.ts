/**
 * What the native shell is made of, as a fingerprint beside its version in `native.json`. A bundle that came over the
 * air must find the plugins that it was built for, so changed plugins or native settings need a new native version.
 *
 *     node tools/native.ts         # says whether native.json is true
 *     node tools/native.ts raise   # after a change: the next build number, with the fingerprint of what is there now
 *     node tools/native.ts stamp   # write version and build into android/ and ios/, where they have been added
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

interface Native {
  version: string;
  build: number;
  fingerprint: string;
}

/** What the shell's configuration is made of. */
const SETTINGS = ["capacitor.config.ts", "config/environment.ts", "config/dev.config.ts", "config/prod.config.ts"];

const KEYS = "config/keys";

/** What is wrong with native.json; nothing when it is true. */
export function nativeFaults(): string[] {
  const told = read().fingerprint;
  const found = fingerprint();
  if (told === found) return [];
  return [
    `native.json: the native shell has changed (plugins, or one of ${SETTINGS.join(", ")}): fingerprint ${found}, ` +
      `there ${told}. It needs a new native build: npm run native raise`,
  ];
}

function fingerprint(): string {
  const digest = createHash("sha256");
  for (const plugin of plugins()) digest.update(`${plugin}\n`);
  for (const name of [...SETTINGS, ...keys()]) digest.update(`${name}\n${readFileSync(name, "utf8")}\n`);
  return `sha256:${digest.digest("hex")}`;
}

/** Public halves of signing keys, which are built into the shells. */
function keys(): string[] {
  if (!existsSync(KEYS)) return [];
  return readdirSync(KEYS).filter((name) => name.endsWith(".pem")).sort().map((name) => `${KEYS}/${name}`);
}

/** Capacitor itself and its plugins with their versions: the packages whose native half is built into the shell. */
function plugins(): string[] {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
    packages: Record<string, { version?: string; dev?: boolean; peerDependencies?: Record<string, string> }>;
  };
  return Object.entries(packages)
    .filter(([path, { dev, peerDependencies = {} }]) => {
      const own = path.startsWith("node_modules/@capacitor/") || "@capacitor/core" in peerDependencies;
      return own && dev !== true;
    })
    .map(([path, { version }]) => `${path.replace("node_modules/", "")}@${version}`)
    .sort();
}

function raise(): void {
  const { version, build } = read();
  const raised: Native = { version, build: build + 1, fingerprint: fingerprint() };
  writeFileSync("native.json", `${JSON.stringify(raised, null, 2)}\n`);
  console.log(`native.json: ${version} (${raised.build})`);
}

function stamp(): void {
  const { version, build } = read();
  replaceIn("android/app/build.gradle", [
    [/versionCode \d+/, `versionCode ${build}`],
    [/versionName "[^"]*"/, `versionName "${version}"`],
  ]);
  replaceIn("ios/App/App.xcodeproj/project.pbxproj", [
    [/CURRENT_PROJECT_VERSION = [^;]*;/g, `CURRENT_PROJECT_VERSION = ${build};`],
    [/MARKETING_VERSION = [^;]*;/g, `MARKETING_VERSION = ${version};`],
    // What vite.config.ts builds for: on an older iOS the app would be a blank page.
    [/IPHONEOS_DEPLOYMENT_TARGET = [^;]*;/g, "IPHONEOS_DEPLOYMENT_TARGET = 16.4;"],
  ]);
}

function replaceIn(path: string, changes: [RegExp, string][]): void {
  if (!existsSync(path)) return;
  let text = readFileSync(path, "utf8");
  for (const [pattern, replacement] of changes) {
    if (text.search(pattern) < 0) throw new Error(`${path}: expected ${pattern}, found no such line`);
    text = text.replace(pattern, replacement);
  }
  writeFileSync(path, text);
  console.log(`${path}: stamped`);
}

function read(): Native {
  return JSON.parse(readFileSync("native.json", "utf8")) as Native;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [word] = process.argv.slice(2);
  if (word === "raise") raise();
  else if (word === "stamp") stamp();
  else {
    const faults = nativeFaults();
    for (const fault of faults) console.error(fault);
    process.exitCode = faults.length > 0 ? 1 : 0;
  }
}
