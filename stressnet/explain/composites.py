"""Composites: which rule goes to which layer, by name.

A composite is data. ``first`` is the rule of layers that read the model's input (through nothing
but reshaping and padding), found by data flow; ``layers`` names exceptions by module path.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Literal, Self

from stressnet.errors import ConfigError, check_names
from stressnet.explain import rules
from stressnet.explain.rules import Rule


@dataclass(frozen=True)
class Composite:
    """Rules for the layers of a model.

    Parameters
    ----------
    name : str
        Name shown in results.
    convolution, linear : Rule
        Rules of convolutions and of dense layers.
    first : Rule or None
        Rule of convolutions and dense layers that read the model's input; None for no exception.
    fold_batch_norm : bool
        Fold a batch normalisation into the convolution or dense layer whose output it receives.
    batch_norm : Rule
        Rule of batch normalisations that are not folded.
    pooling : {"winner", "proportional"}
        Max pooling gives relevance to the largest input, or to all in proportion to their value.
    pooling_stabiliser, addition_stabiliser : float
        Stabilisers of pooling and of sums of two branches; 0 passes relevance exactly.
    activation_stabiliser : float
        Stabiliser of the identity rule of activations other than ReLU.
    attention : {"refused", "attn-lrp", "cp-lrp", "gradient"}
        Softmax and attention: without rule, or as in :mod:`stressnet.explain.engine.attention`.
    layers : tuple of (str, Rule)
        Module path patterns (``fnmatch``) and their rules; the first match wins over all else.
    """

    name: str
    convolution: Rule
    linear: Rule
    first: Rule | None = None
    fold_batch_norm: bool = True
    batch_norm: Rule = field(default_factory=lambda: rules.epsilon(stabiliser=1e-6))
    pooling: Literal["winner", "proportional"] = "winner"
    pooling_stabiliser: float = 0.0
    addition_stabiliser: float = 0.0
    activation_stabiliser: float = 1e-9
    attention: Literal["refused", "attn-lrp", "cp-lrp", "gradient"] = "refused"
    layers: tuple[tuple[str, Rule], ...] = ()

    def __post_init__(self) -> None:
        for field_name, choices in (
            ("pooling", ("winner", "proportional")),
            ("attention", ("refused", "attn-lrp", "cp-lrp", "gradient")),
        ):
            value = getattr(self, field_name)
            if value not in choices:
                named = f"{', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}"
                raise ConfigError(f"composite {self.name}: {field_name} is {named}, not {value!r}")
        for what in ("convolution", "linear", "batch_norm"):
            if getattr(self, what).input_only:
                raise ConfigError(
                    f"composite {self.name}: rule {getattr(self, what).name} gives relevance to "
                    f"inputs that are zero; use it as first=, not as {what}="
                )

    def rule_for(self, kind: str, path: str, reads_input: bool) -> Rule:
        """Rule of the layer at ``path``; ``kind`` is convolution, linear or batch_norm."""
        for pattern, rule in self.layers:
            if fnmatchcase(path, pattern):
                return rule
        if reads_input and self.first is not None and kind != "batch_norm":
            return self.first
        chosen: Rule = getattr(self, kind)
        return chosen

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """Every rule that may be used."""
        by_kind = (self.convolution, self.linear, self.batch_norm, self.first)
        by_path = (rule for _, rule in self.layers)
        return tuple(rule for rule in (*by_kind, *by_path) if rule is not None)

    @property
    def needs_bounds(self) -> bool:
        """True if a rule asks for the range of the input."""
        return any(rule.name == "z-box" for rule in self.all_rules)

    def with_(self, **changes: object) -> Self:
        """A copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def _catalogue() -> list[Composite]:
    epsilon = rules.epsilon(stabiliser=1e-6)
    fine = rules.epsilon(stabiliser=1e-9)
    alpha2 = rules.alpha_beta(alpha=2.0, beta=1.0, stabiliser=1e-6)
    gamma = rules.gamma(gamma=0.25, stabiliser=1e-6)
    z_plus = rules.z_plus(stabiliser=1e-6)
    plus = Composite("epsilon-plus", z_plus, epsilon)
    alpha2_beta1 = Composite("epsilon-alpha2-beta1", alpha2, epsilon)
    epsilon_gamma = Composite("epsilon-gamma", gamma, epsilon)
    relp = Composite(
        "relp",
        rules.gradient(),
        rules.gradient(),
        batch_norm=rules.gradient(),
        activation_stabiliser=1e-6,
        attention="gradient",
    )
    as_run = Composite(
        "allouche2025-as-run",
        rules.clamped_weights(stabiliser=1e-9),
        fine,
        first=fine,
        fold_batch_norm=False,
        batch_norm=fine,
        pooling_stabiliser=1e-9,
    )
    return [
        Composite("lrp-0", rules.zero(), rules.zero(), batch_norm=rules.zero()),
        Composite("epsilon", epsilon, epsilon),
        plus,
        plus.with_(name="epsilon-plus-flat", first=rules.flat()),
        plus.with_(name="epsilon-plus-w-square", first=rules.w_square()),
        plus.with_(name="epsilon-plus-box", first=rules.z_box()),
        epsilon_gamma,
        epsilon_gamma.with_(name="epsilon-gamma-box", first=rules.z_box()),
        epsilon_gamma.with_(name="epsilon-gamma-cp", attention="cp-lrp"),
        alpha2_beta1,
        alpha2_beta1.with_(name="epsilon-alpha2-beta1-flat", first=rules.flat()),
        Composite("attn-lrp", epsilon, epsilon, attention="attn-lrp"),
        Composite("cp-lrp", epsilon, epsilon, attention="cp-lrp"),
        relp,
        relp.with_(name="relp-ah", attention="cp-lrp"),
        Composite("alpha1-beta0", z_plus, z_plus),
        Composite("alpha2-beta1", alpha2, alpha2),
        as_run.with_(name="allouche2025-as-stated", first=rules.identity()),
        as_run,
        Composite("allouche2025-corrected", rules.z_plus(stabiliser=1e-9), fine, first=fine),
    ]


COMPOSITES: Mapping[str, Composite] = MappingProxyType(
    {composite.name: composite for composite in _catalogue()}
)
"""Composites by name, as in the table of ``docs/explain.md``.

All but ``allouche2025-as-stated`` and ``allouche2025-as-run`` fold batch normalisation.
"""


def find_composite(composite: str | Composite) -> Composite:
    """The composite of that name, or the one given; :class:`ConfigError` for an unknown name."""
    if isinstance(composite, Composite):
        return composite
    check_names("composite", [composite], COMPOSITES)
    return COMPOSITES[composite]


def suited(names: Sequence[str], own: str) -> tuple[str, ...]:
    """Of some composites and other methods those that a network can be explained by.

    All of them if ``own``, the composite that suits the network
    (:attr:`stressnet.models.registry.ModelSpec.composite`), is none for attention; else ``own`` and
    those that are no composites or have a treatment of attention.
    """
    if find_composite(own).attention == "refused":
        return tuple(names)
    usable = [n for n in names if n not in COMPOSITES or COMPOSITES[n].attention != "refused"]
    return tuple(dict.fromkeys([own, *usable]))
