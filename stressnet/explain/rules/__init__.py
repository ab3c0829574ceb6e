"""Rules of layer-wise relevance propagation: one function each.

Notation: a layer computes ``z_j = sum_i x_i w_ij + b_j`` and receives relevance ``R_j``. A rule
returns the relevance of the inputs, and what did not reach them: the share that the bias takes and
the share that the stabiliser takes, so that for every sample

    sum_j R_j = sum_i R_i + bias share + stabiliser share.

A rule hands back either a *coefficient* ``c_i`` with ``R_i = x_i c_i`` (what the engine passes on
as the gradient), or the relevance itself where the rule does not vanish at ``x_i = 0`` (flat, w²,
zB, identity); these are for layers that read the model's input.

Divisions use ``s(z) = z + stabiliser * sign(z)`` with ``sign(0) = +1``; ``x⁺ = max(x, 0)``,
``x⁻ = min(x, 0)``.

References
----------
Bach et al. (2015) PLoS ONE 10(7): e0130140 (LRP, epsilon, alpha-beta). Montavon et al. (2017)
Pattern Recognition 65: 211-222 (z+, w², zB). Montavon et al. (2019) in Explainable AI, LNCS 11700
(gamma, composites). Anders et al. (2021) arXiv:2106.13200 (gamma for signed inputs).
"""

from stressnet.explain.rules.base import RULES, Layer, Passed, Rule, rule, stabilise
from stressnet.explain.rules.first_layer import flat, identity, w_square, z_box
from stressnet.explain.rules.propagating import (
    alpha_beta,
    clamped_weights,
    epsilon,
    gamma,
    gradient,
    proportional,
    z_plus,
    zero,
)
