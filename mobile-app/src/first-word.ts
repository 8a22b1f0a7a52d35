/**
 * The first lines that run: this bundle says that it is here, and errors are kept from now on.
 *
 * A bundle that never says so has failed, and the device gets the one before: nothing that may throw comes earlier.
 */
import { errors } from "./services/errors";
import { spans } from "./services/spans";
import { startedOn } from "./services/shell.service";
import { sayStarted } from "./services/started.service";

errors.listen(window);
void speak();

async function speak(): Promise<void> {
  const place = await startedOn();
  if (place === undefined) return;
  void sayStarted(place, new URL(import.meta.url).pathname);
  await painted();
  // What tells of errors, of requests, and of how fast the page was, is a file of its own.
  const { start } = await import("./services/telemetry.service");
  start(place, errors, spans);
}

function painted(): Promise<unknown> {
  return new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}
