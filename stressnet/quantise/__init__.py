"""Networks in few bits: how much each layer matters, how many bits it gets, what that costs.

Read :mod:`~stressnet.quantise.quantisers` (how a number is rounded) first, then
:mod:`~stressnet.quantise.simulate` (a network whose layers round) and
:mod:`~stressnet.quantise.scores` (what says how much a layer matters; bits under a budget).
"""
