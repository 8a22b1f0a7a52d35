"""Equal models of other seeds, two by two on a month that neither learned from; a line of figures for each pair.

Run in the training's environment: it prints what evaluation.json has of two models, as far as a gate asks for it.
"""

from __future__ import annotations

import itertools
import json
import sys
from datetime import date

import numpy as np
from training.comparing import compared
from training.evaluate import calibration_error
from training.fit import fit
from training.parameters import SETTINGS
from training.prepare import categories, prepare, window

from training import source

MONTHS_LEARNED = 6


def main(first: int, last: int, seeds: int, rounds: int, first_seed: int) -> None:
    folder = source.data_folder()
    table = prepare(source.read_flights(folder), source.read_weather(folder))
    for month in range(first, last + 1):
        begin, end = date(2013, month - MONTHS_LEARNED, 1), date(2013, month, 1)
        learned, asked = window(table, begin, end), window(table, end, _after(month))
        values = categories(learned)
        matrix, rows = learned.matrix(values), asked.matrix(values)
        days = np.unique(asked.table["day"].to_numpy(), return_inverse=True)[1].astype(np.intp)
        scores = []
        for seed in range(first_seed, first_seed + seeds):
            booster = fit(matrix, learned.labels, rounds, {**SETTINGS, "seed": SETTINGS["seed"] + 1000 * seed})
            scores.append(np.asarray(booster.predict(rows, num_threads=1)))
            print(f"2013-{month:02}: model {len(scores)} of {seeds}", file=sys.stderr, flush=True)
        for challenger, champion in itertools.combinations(range(seeds), 2):
            found = {
                "rows": int(asked.labels.size),
                "positives": int(asked.labels.sum()),
                "days": int(days.max()) + 1,
                "champion_expected": True,
                "candidate": {"calibration_error": calibration_error(asked.labels, scores[challenger])},
                "champion": {"calibration_error": calibration_error(asked.labels, scores[champion])},
                "comparison": compared(
                    asked.labels, days=days, candidate=scores[challenger], champion=scores[champion]
                ),
            }
            print(
                json.dumps({"month": f"2013-{month:02}", "pair": [challenger, champion], "evaluation": found}),
                flush=True,
            )


def _after(month: int) -> date:
    return date(2013, month + 1, 1) if month < 12 else date(2014, 1, 1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:6]))
