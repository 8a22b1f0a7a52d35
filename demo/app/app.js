// The story's app: one question and its answer. It says first of all that it has started.
const updater = window.Capacitor?.Plugins?.CapacitorUpdater;
const flight = { origin: "JFK", destination: "LAX", carrier: "B6", departure: "2013-07-04T08:15" };

async function post(path, body) {
  const headers = { "content-type": "application/json" };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function sayStarted() {
  if (!updater) return;
  const [{ deviceId }, { bundle }] = await Promise.all([updater.getDeviceId(), updater.current()]);
  await post("/ota/started", { device_id: deviceId, version: bundle.version, session_id: crypto.randomUUID(), file: "" });
  await updater.notifyAppReady();
}

function told(prediction) {
  const chance = `${Math.round(100 * prediction.probability)} of 100 such flights are late`;
  return `${chance}.`;
}

async function show() {
  const place = document.getElementById("answer");
  try {
    const answer = await post("/api/predict", flight);
    place.textContent = answer.ok ? told(await answer.json()) : "No answer now. Please try again later.";
  } catch {
    place.textContent = "No network. Please try again later.";
  }
}

void sayStarted();
void show();
