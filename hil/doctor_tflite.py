"""Load a model and run it: the only proof that the TensorFlow Lite interpreter works here.

An old tflite-runtime imports well beside numpy 2 and dies at its first model. Run as a process,
``python -m hil.doctor_tflite``: one JSON object on standard output, the interpreter's own
chatter on standard error, and a crash of native code harms nobody.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
from importlib import metadata

PACKAGES = (("ai_edge_litert", "ai-edge-litert"), ("tflite_runtime", "tflite-runtime"))

ADD_MODEL = base64.b64decode(
    "GAAAAFRGTDMAAA4AFAAQAAwACAAAAAQADgAAABAAAAAYAAAAEAEAAAMAAAABAAAABAAAAPj+//8BAAAAEAAAAAwAFAAQAAwACAAEAAwAAAAQ"
    "AAAAUAAAAFQAAABcAAAAAQAAABQAAAAAAA4AFAAAABAADAALAAQADgAAABAAAAAAAAALDAAAABAAAABQ////AQAAAAIAAAACAAAAAAAAAAEA"
    "AAABAAAAAgAAAAIAAAAAAAAAAQAAAAMAAABYAAAAKAAAAAQAAADA////CAAAAAwAAAABAAAAeQAAAAIAAAABAAAABAAAAOD///8IAAAADAAA"
    "AAEAAABiAAAAAgAAAAEAAAAEAAAADAAMAAgAAAAAAAQADAAAAAgAAAAMAAAAAQAAAGEAAAACAAAAAQAAAAQAAAABAAAACAAAAAQABAAEAAAA"
)
"""y = a + b on float32 (1, 4); written with the schema of ai-edge-litert 2.3, checked by a test."""


def try_model() -> dict[str, str]:
    """Return {"package", "version"} of the interpreter that computed 1 + 2, or {"error"}."""
    import numpy as np

    for module, distribution in PACKAGES:
        try:
            interpreter_module = importlib.import_module(f"{module}.interpreter")
        except ImportError:
            continue
        interpreter = interpreter_module.Interpreter(model_content=ADD_MODEL)
        interpreter.allocate_tensors()
        for detail, value in zip(interpreter.get_input_details(), (1.0, 2.0), strict=True):
            interpreter.set_tensor(detail["index"], np.full((1, 4), value, np.float32))
        interpreter.invoke()
        answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        if not np.array_equal(answer, np.full((1, 4), 3.0, np.float32)):
            return {"error": f"{distribution} computed 1 + 2 = {answer.ravel()[0]}"}
        return {"package": distribution, "version": metadata.version(distribution)}
    return {"error": "neither ai-edge-litert nor tflite-runtime is installed"}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(try_model()) + "\n")
