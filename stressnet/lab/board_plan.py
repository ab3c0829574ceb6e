"""What is validated on what: sets of words, networks, methods, and how much of each."""

from dataclasses import dataclass

from stressnet.errors import ConfigError

SETS = tuple(
    "f1 f2 f3 reduction tilt f0_level f0_peak consonant duration intensity f1_v1 f1+f2 none".split()
)
"""Every single cue in the second vowel, F1 in the first one, a conjunction, and no cue."""

METHODS = tuple(
    "epsilon-gamma epsilon-gamma-box epsilon-plus epsilon-plus-flat epsilon-alpha2-beta1-flat "
    "input-times-gradient integrated-gradients integrated-gradients-mean smoothgrad grad-cam "
    "random".split()
)
"""Methods for every network. The first network of a set that solved it gets all there are."""

SEEDLESS = ("random", "sobel")  # Methods blind to the network: to compare with, never recommended


@dataclass(frozen=True)
class Plan:
    """What is validated on what.

    Sets are designs (:data:`stressnet.lab.designs.DESIGNS`), ``planted``, ``natural:COLUMN`` or
    ``folder:PATH``. ``n_words`` counts the words of a set, ``n_scored`` the test words whose maps
    are scored. With ``allow_leaks`` sets in which a second measured cue separates the classes are
    kept.
    """

    sets: tuple[str, ...] = SETS
    n_words: int = 480
    n_scored: int = 48
    effect: float = 1.0
    networks: tuple[str, ...] = ("compact", "lenet")
    n_seeds: int = 2
    methods: tuple[str, ...] = METHODS
    all_methods: bool = True
    seeds: tuple[str, ...] = ("logit-difference", "logit")
    max_epochs: int = 25
    batch_size: int = 16
    precision: str = "float32"
    allow_leaks: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sets or not self.networks or not self.methods:
            raise ConfigError("validation needs at least one set, one network and one method")
        if min(self.n_words, self.n_scored, self.n_seeds, self.max_epochs) < 1:
            raise ConfigError("numbers of words, trainings and epochs must be at least 1")

    @property
    def trainings(self) -> tuple[tuple[str, int], ...]:
        """Architectures with seeds, one of each first."""
        return tuple((name, k) for k in range(self.n_seeds) for name in self.networks)


DEFAULT_PLAN = Plan()

SMALL_PLAN = Plan(  # A few minutes on two cores
    sets=("f1", "f2", "tilt"),
    n_words=320,
    n_scored=32,
    networks=("compact",),
    n_seeds=1,
    methods=tuple(
        "epsilon-gamma epsilon-plus-flat input-times-gradient integrated-gradients-mean "
        "random".split()
    ),
    all_methods=False,
    seeds=("logit-difference",),
    max_epochs=20,
)
