"""Recipes: how a student is made.

A recipe says which features of its own omics a student takes, what it learns from the teacher, and which model it is.
To add a recipe is to add an entry to `RECIPES`.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Recipe:
    """How a student is made.

    Attributes
    ----------
    name
        As in tables.
    title
        As in sentences: "a student ...".
    features
        What it takes of its own omics: `components`, the leading principal components.
    from_teacher
        What it learns from the teacher: nothing, or the teacher's out-of-fold outputs as soft targets.
    model
        The model that is trained: `network`.
    """

    name: str
    title: str
    features: Literal["components"]
    from_teacher: Literal["nothing", "soft_targets"]
    model: Literal["network"]

    @property
    def needs_teacher(self) -> bool:
        """Whether a student of the recipe has a teacher. Students without one are what gains are counted over."""
        return self.from_teacher != "nothing"


ALONE = Recipe("alone", "trained alone", "components", "nothing", "network")
SOFT_TARGETS = Recipe("soft_targets", "taught by soft targets", "components", "soft_targets", "network")
RECIPES = {recipe.name: recipe for recipe in (ALONE, SOFT_TARGETS)}
TAUGHT = tuple(recipe for recipe in RECIPES.values() if recipe.needs_teacher)
