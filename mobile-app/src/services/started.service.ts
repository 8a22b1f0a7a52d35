/** Where this page runs: what tells one device, one bundle and one start of the app from others. */
export interface Place {
  api: string;
  device: string;
  /** The bundle as the updater calls it: `builtin`, or the version that came over the air. */
  bundle: string;
  session: string;
}

/** Seconds between two tries; the service takes a bundle for silent when its page has not spoken for 30 s. */
const SHORTEST = 1;
const LONGEST = 15;
/** Refusals of this moment: the network was too slow, or the device asked too often. */
const TRY_AGAIN = [408, 429];

/**
 * Say that the bundle has started, until somebody has heard it. `file` is the script that speaks: where a shell has
 * changed over already, this page must not be taken for the bundle that comes next.
 */
export async function sayStarted(place: Place, file: string, wait = sleep): Promise<void> {
  const word = { device_id: place.device, version: place.bundle, session_id: place.session, file };
  for (let pause = SHORTEST; !(await heard(place.api, JSON.stringify(word))); pause = Math.min(2 * pause, LONGEST)) await wait(pause);
}

async function heard(api: string, body: string): Promise<boolean> {
  try {
    // As plain text it needs no preflight request, so it goes out at once.
    const { status } = await fetch(`${api}/ota/started`, { method: "POST", body, keepalive: true });
    return status < 500 && !TRY_AGAIN.includes(status);
  } catch {
    return false;
  }
}

function sleep(seconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, 1000 * seconds));
}
