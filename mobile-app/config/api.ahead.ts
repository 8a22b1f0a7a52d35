/**
 * Operations that the app is ready for and the backend's document does not have yet. The app does without them where
 * they answer 404. Delete an operation here once `api.types.ts`, which is generated, has it.
 */

export interface Place {
  /** IATA code: three letters for airports, two letters or digits for airlines. */
  code: string;
  name: string;
}

export interface Places {
  origins: Place[];
  destinations: Place[];
  carriers: Place[];
}

export interface Outlook {
  model_version: string;
  /** The same flight at each hour of its day, in the day's order; departures are local times at the origin. */
  hours: { departure: string; probability: number }[];
}

interface Json<Body> {
  content: { "application/json": Body };
}

export interface paths {
  "/api/places": {
    get: { responses: { 200: Json<Places> } };
  };
  "/api/outlook": {
    get: {
      parameters: { query: { origin: string; destination: string; carrier: string; departure: string } };
      responses: { 200: Json<Outlook> };
    };
  };
  "/api/predictions/{id}/outcome": {
    post: {
      parameters: { path: { id: string } };
      requestBody: Json<{ late: boolean }>;
      responses: { 200: Json<{ prediction_id: string; late: boolean }> };
    };
  };
}
