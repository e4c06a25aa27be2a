"""The stages of one step: which kernels run on which arrays. ``rtcore.step`` has the order."""
