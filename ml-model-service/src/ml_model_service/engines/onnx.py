"""ONNX graphs through ONNX Runtime, one thread, CPU."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime

from ml_model_service.engines import EngineError
from ml_model_service.engines.graph_inputs import GraphInputs, Input
from ml_model_service.metadata import Feature, OnnxForm


class Onnx:
    """A graph that takes one matrix of codes, or one column for each feature (see OnnxForm).

    `features` are the schema's, narrowed to what the graph's inputs can hold.
    """

    def __init__(self, data: bytes, features: Sequence[Feature], form: OnnxForm | None) -> None:
        """Load the graph. Raises EngineError when it does not fit `features` and `form`."""
        if form is None:
            raise EngineError("metadata.json has no `onnx` section that says what the graph takes and gives")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # idle threads of a pool would spin on the core that the next request needs
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library raises types of its own for each kind of fault
            raise EngineError(f"ONNX Runtime does not load the graph: {error}") from error
        outputs = [given.name for given in self._session.get_outputs()]
        if form.output not in outputs:
            raise EngineError(f"the graph has no output {form.output!r}; it has: {', '.join(outputs)}")
        inputs = [Input(given.name, given.type, given.shape) for given in self._session.get_inputs()]
        self._inputs = GraphInputs(inputs, features, form.input)
        self.features = self._inputs.features
        self._output, self._column = [form.output], form.column

    def predict(self, values: array[float], rows: int) -> list[float]:
        """One prediction a row; see Engine. Raises EngineError."""
        matrix = np.frombuffer(values, dtype=np.float64).reshape(rows, len(self.features))
        try:
            found: Any = self._session.run(self._output, self._inputs.feed(matrix))[0]
        except Exception as error:  # as above
            raise EngineError(f"ONNX Runtime: {error}") from error
        if self._column is not None:
            found = found[:, self._column]
        flat = np.asarray(found, dtype=np.float64).reshape(-1)
        if len(flat) != rows:
            raise EngineError(f"the graph gave {len(flat)} predictions for {rows} rows")
        return flat.tolist()

    def predict_one(self, values: Sequence[float]) -> float:
        """The prediction for one row."""
        return self.predict(array("d", values), 1)[0]
