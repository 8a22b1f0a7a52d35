/**
 * The digest of a bundle: SHA-256 over the paths and bytes of its files, sorted by path. Source maps are no part of it.
 * `node tools/digest.ts dist`
 */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";

const folder = process.argv[2] ?? "dist";
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !entry.name.endsWith(".map"))
  .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
  .sort();
const digest = createHash("sha256");
for (const name of files) {
  const bytes = readFileSync(join(folder, name));
  digest.update(`${name}\0${bytes.length}\0`).update(bytes);
}
console.log(`sha256:${digest.digest("hex")}`);
