"""The short-term member's network: trained in NumPy, shipped as ``.tflite``, run by TensorFlow Lite.

What runs a shipped model (``runtime``, ``card``, ``model``, ``network``) needs NumPy, from 1.26 on, and one
of the two interpreters, nothing else: so it also works where an old tflite-runtime is what there is.
"""
