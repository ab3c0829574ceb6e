"""``stressnet search``: train with varied recipes, keep what validates best."""

from stressnet.stages.search.config import SearchOptions, search_recipe

__all__ = ["SearchOptions", "search_recipe"]
