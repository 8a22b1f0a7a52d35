// First, as it says: the order of these imports is the order in which they run.
import "./first-word";

import "@ionic/react/css/core.css";
import "@ionic/react/css/normalize.css";
import "@ionic/react/css/structure.css";
import "@ionic/react/css/typography.css";
import "@ionic/react/css/palettes/dark.system.css";
import "./theme.css";

import { setupIonicReact } from "@ionic/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App";
import { startServices } from "./services/services";
import { strings } from "./strings";

setupIonicReact({
  animated: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
  // A screen reader follows to the new screen's content.
  focusManagerPriority: ["heading", "content"],
});

const root = document.getElementById("root")!;

/** A word instead of a blank page. The error stays uncaught, as that is what the native shell reports. */
function failed(reason: unknown): void {
  root.textContent = strings.couldNotStart;
  reportError(reason);
}

try {
  const services = await startServices();
  createRoot(root, { onUncaughtError: failed }).render(
    <StrictMode>
      <App services={services} />
    </StrictMode>,
  );
} catch (reason) {
  failed(reason);
}
