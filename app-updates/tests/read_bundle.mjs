// Reads a signed bundle as the updater would, by Node's own cryptography: node read_bundle.mjs FILE PUBLIC CHECKSUM SESSION
// Leaves the plain zip in FILE and exits 0; exits 3 where it refuses.
import { createDecipheriv, createHash, createPublicKey, publicDecrypt } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const [file, pem, checksum, session] = process.argv.slice(2);
try {
  const key = createPublicKey({ key: pem, format: "pem", type: "pkcs1" });
  const [iv, encryptedKey] = session.split(":").map((part) => Buffer.from(part, "base64"));
  const aes = publicDecrypt(key, encryptedKey);
  if (aes.length !== 16 || iv.length !== 16) throw new Error("wrong session key");
  const decipher = createDecipheriv("aes-128-cbc", aes, iv);
  const plain = Buffer.concat([decipher.update(readFileSync(file)), decipher.final()]);
  const expected = publicDecrypt(key, Buffer.from(checksum, "hex"));
  if (!createHash("sha256").update(plain).digest().equals(expected)) throw new Error("wrong checksum");
  writeFileSync(file, plain);
} catch {
  process.exit(3);
}
