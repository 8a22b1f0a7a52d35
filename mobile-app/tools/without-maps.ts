/** Take the source maps out of the native projects: Capacitor copies all of the bundle's folder, and runs this afterwards. */
import { existsSync, globSync, rmSync } from "node:fs";

for (const copied of ["android/app/src/main/assets/public", "ios/App/App/public"]) {
  if (!existsSync(copied)) continue;
  for (const name of globSync("**/*.map", { cwd: copied })) rmSync(`${copied}/${name}`);
}
