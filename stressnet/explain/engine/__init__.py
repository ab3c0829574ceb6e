"""The propagation engine: one forward pass is watched, one backward pass carries relevance.

Read :mod:`~stressnet.explain.engine.mode` first (it sees every operation of a model), then
:mod:`~stressnet.explain.engine.handlers` (what each operation does) and
:mod:`~stressnet.explain.engine.layer_node` (a layer with parameters under its rule).
"""
