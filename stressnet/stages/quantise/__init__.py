"""Give layers of one or more MODELs few bits, more where relevance says; what it costs.

Calibrates on words of CORPUS that the networks were trained on, scores layers, shares out bits
under budgets, and writes into OUT: scores, plans, accuracy and agreement on every test set,
and whether the rounded networks still listen to the same. Bits are simulated; 'stressnet
export --quantised' writes a file that runs in 8 bits.
"""

from dataclasses import dataclass

from stressnet.errors import ConfigError, check_names
from stressnet.runs.options import max_tokens_option, option, resamples_option, seed_option
from stressnet.runs.stage import CORPUS, MODELS, Stage

SCORES = (
    *("uniform", "relevance", "lrp-qvit", "mix-qvit", "sensitivity"),
    *("hessian", "gradient", "parameters", "random"),
)


@dataclass(frozen=True)
class QuantiseConfig:
    """How bits are given to layers, how numbers are rounded, and what is measured."""

    mean_bits: tuple[str, ...] = option(
        ("8", "6", "5", "4", "3"),
        separated=True,
        help="Budgets: bits that all layers could have, separated by commas.",
    )
    bits: tuple[str, ...] = option(
        ("2", "3", "4", "5", "6", "8"),
        separated=True,
        help="Bits that a layer may get, separated by commas.",
    )
    budget: str = option(
        "size",
        choices=("size", "operations"),
        help="What is limited: weights' bytes, or operations.",
    )
    scores: tuple[str, ...] = option(
        SCORES, separated=True, help="What decides about bits; see docs/quantise.md."
    )
    composites: tuple[str, ...] = option(
        (),
        flag="--composite",
        help="LRP rules of the layer scores; the first decides.",
        default_text="the one that suits the network",
    )
    calibration: str = option(
        "mse", choices=("min-max", "percentile", "mse"), help="How activations' ranges are found."
    )
    attention: str = option(
        "log2", choices=("log2", "even"), help="What attention weights are rounded to."
    )
    calibration_tokens: int = option(
        64, minimum=2, help="Words of the training split for ranges and scores."
    )
    random_draws: int = option(3, minimum=1, help="Random plans per budget.")
    max_tokens: int | None = max_tokens_option()
    map_tokens: int = option(
        60, minimum=0, help="Test words whose relevance maps are compared; 0 for none."
    )
    n_resamples: int = resamples_option(1000)
    seed: int = seed_option()

    def __post_init__(self) -> None:
        check_names("score", self.scores, SCORES)
        for flag, texts in (("--mean-bits", self.mean_bits), ("--bits", self.bits)):
            numbers = [text for text in texts if text.replace(".", "", 1).isdigit()]
            if len(numbers) < len(texts) or not all(2 <= float(text) <= 16 for text in numbers):
                raise ConfigError(f"{flag} takes numbers from 2 to 16, not '{','.join(texts)}'")

    @property
    def budgets(self) -> tuple[float, ...]:
        """Mean bits of the budgets."""
        return tuple(map(float, self.mean_bits))

    @property
    def choices(self) -> tuple[int, ...]:
        """Bits that a layer may get."""
        return tuple(sorted(int(float(text)) for text in self.bits))


quantise_networks = Stage(
    "quantise",
    config=QuantiseConfig,
    kind="quantisation",
    inputs=(CORPUS, MODELS),
    text="stressnet.stages.quantise.text:quantised_text",
    items="tokens could not be projected",
    done="quantisation",
    has_device=True,
)
