/** A probability as people say it: "3 in 10". */
export interface Chance {
  bound: "about" | "fewer than" | "more than";
  count: number;
  of: number;
}

/** Tenths, but near the ends twentieths: "0 in 10" would promise what no model can. */
export function chanceOf(probability: number): Chance {
  if (probability < 0.05) return { bound: "fewer than", count: 1, of: 20 };
  if (probability > 0.95) return { bound: "more than", count: 19, of: 20 };
  return { bound: "about", count: Math.min(9, Math.max(1, Math.round(probability * 10))), of: 10 };
}
