"""``stressnet causal-agreement``: does relevance predict what changing a cue does?"""

from stressnet.stages.causal_agreement.config import CausalConfig, causal_agreement

__all__ = ["CausalConfig", "causal_agreement"]
