"""``stressnet train``: fit networks to a corpus, test them on every test set, save them."""

from stressnet.stages.train.config import TrainOptions, train_model

__all__ = ["TrainOptions", "train_model"]
