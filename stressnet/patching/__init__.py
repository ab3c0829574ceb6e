"""Inside a network: which layers, channels, heads and moments carry the difference of two words.

Activations are exchanged between two images at the same place and the network's answer is compared
(activation patching), or that is estimated from one backward pass (attribution patching,
integrated gradients, relevance patching). Start with :func:`patch_effects`.
"""

from stressnet.patching.edges import edge_units
from stressnet.patching.estimate import ESTIMATORS, patch_effects
from stressnet.patching.units import (
    Unit,
    Units,
    band_units,
    channel_units,
    head_units,
    layer_units,
    position_units,
    roles_of,
    time_units,
)
