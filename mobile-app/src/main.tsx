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
import { confirmBundle } from "./services/shell.service";

setupIonicReact({
  animated: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
  // A screen reader follows to the new screen's content.
  focusManagerPriority: ["heading", "content"],
});

const services = await startServices();
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App services={services} />
  </StrictMode>,
);
await confirmBundle();
