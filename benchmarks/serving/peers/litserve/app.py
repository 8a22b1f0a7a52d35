"""LitServe: one worker, ZeroMQ between server and worker (`fast_queue`); request by request, or in batches of what waits.

LitServe looks into annotations for the kind of request, so its methods stay without, as in its own documentation.
"""

import sys
from itertools import pairwise

import litserve
import numpy as np
from scoring import Scorer


class Plain(litserve.LitAPI):
    """Request by request."""

    def setup(self, device):  # noqa: ARG002
        self.scorer = Scorer()

    def decode_request(self, request):
        return self.scorer.encode(request["instances"])

    def predict(self, x):
        return self.scorer.score(x)

    def encode_response(self, output):
        return {"predictions": output}


class Batched(Plain):
    """What waits is scored together."""

    def batch(self, inputs):
        self._ends = np.cumsum([len(rows) for rows in inputs])
        return np.concatenate(inputs)

    def unbatch(self, output):
        return [output[begin:end] for begin, end in pairwise([0, *self._ends])]


if __name__ == "__main__":
    # A timeout of zero takes what is there: at these loads, waiting for more was slower.
    api = Batched(max_batch_size=32, batch_timeout=0) if sys.argv[2] == "batched" else Plain()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, fast_queue=True, timeout=120)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, log_level="warning", access_log=False,
        generate_client_file=False,
    )  # fmt: skip
