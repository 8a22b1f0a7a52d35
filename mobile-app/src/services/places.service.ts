import type { Place, Places } from "../../config/api.client";
import type { ApiService } from "./api.service";
import { Observable } from "./observable";
import type { Storage } from "./storage.service";

const KEPT_AS = "places";

/** Airports and airlines by name, as they were known last; null where the backend never told. */
export class PlacesService extends Observable<Places | null> {
  constructor(
    private readonly api: ApiService,
    private readonly storage: Storage,
  ) {
    super(null);
  }

  /** What was kept is there at once; what the backend says now, later. */
  async start(): Promise<void> {
    this.set((await this.storage.read<Places>(KEPT_AS)) ?? null);
  }

  async refresh(): Promise<void> {
    const reply = await this.api.places();
    if (!reply.ok) return;
    this.set(reply.value);
    await this.storage.write(KEPT_AS, reply.value);
  }
}

/** The name that belongs to a code, else the code itself. */
export function nameOf(places: Place[] | undefined, code: string): string {
  return places?.find((place) => place.code === code)?.name ?? code;
}
