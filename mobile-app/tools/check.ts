/** What must hold before a bundle is built; says every fault with its mending, and exits 1 if there is one. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

import { nativeFaults } from "./native.ts";

interface Lock {
  packages: Record<string, { version?: string }>;
}

/** Two copies of one of these are two registries of elements, contexts or plugins: a blank page. */
const ONCE = [/^@ionic\//, /^@stencil\/core$/, /^@capacitor\/core$/, /^react(-dom|-router|-router-dom)?$/];
const EXACT = /^\d+\.\d+\.\d+$/;

const faults = [...loosePins(), ...severalCopies(), ...staleTypes(), ...nativeFaults()];
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;

function loosePins(): string[] {
  const { dependencies, devDependencies } = JSON.parse(readFileSync("package.json", "utf8")) as Record<
    "dependencies" | "devDependencies",
    Record<string, string>
  >;
  return Object.entries({ ...dependencies, ...devDependencies })
    .filter(([, version]) => !EXACT.test(version))
    .map(([name, version]) => `package.json: ${name} must have an exact version, found ${version}`);
}

function severalCopies(): string[] {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as Lock;
  const copies = new Map<string, string[]>();
  for (const [path, { version }] of Object.entries(packages)) {
    const name = path.split("node_modules/").at(-1) ?? "";
    if (ONCE.some((pattern) => pattern.test(name))) copies.set(name, [...(copies.get(name) ?? []), `${version}`]);
  }
  if (copies.size < ONCE.length) return [`package-lock.json: expected Ionic, Capacitor and React, found ${[...copies.keys()]}`];
  return [...copies]
    .filter(([, versions]) => versions.length > 1)
    .map(([name, versions]) => `package-lock.json: ${name} must be there once, found ${versions.join(" and ")}`);
}

/** config/api.types.ts is what openapi.json says. */
function staleTypes(): string[] {
  const made = execFileSync(process.execPath, ["node_modules/openapi-typescript/bin/cli.js", "openapi.json", "--default-non-nullable=false"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (made.trim() === readFileSync("config/api.types.ts", "utf8").trim()) return [];
  return ["config/api.types.ts is not what openapi.json says: npm run types"];
}
