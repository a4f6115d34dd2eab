"""Recipes: how a student is made. A recipe says what a student learns from; its members say what is trained.

Every student is the average of its members (`models.ensemble`). To add a member is to add an entry to `MEMBERS`.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Member:
    """A model that every student averages with others, unless it is clearly worse.

    Attributes
    ----------
    name
        As in tables.
    title
        As in sentences.
    model
        `network`, trained by gradients on principal components, or `linear`, in closed form on features.
    screened
        How many features a linear model takes: those of the largest correlation with what the student learns from.
        None: all.
    """

    name: str
    title: str
    model: Literal["network", "linear"]
    screened: int | None = None


MEMBERS = (
    Member("network", "a network on principal components", "network"),
    Member("linear", "a linear model of all features", "linear"),
    Member("screened", "a linear model of 40 screened features", "linear", 40),
)


@dataclass(frozen=True)
class Recipe:
    """What a student learns from.

    Attributes
    ----------
    name
        As in tables.
    title
        As in sentences: "a student ...".
    from_teacher
        What it learns from the teacher beside its labels: nothing, or the teacher's out-of-fold outputs as soft
        targets.
    """

    name: str
    title: str
    from_teacher: Literal["nothing", "soft_targets"]

    @property
    def needs_teacher(self) -> bool:
        """Whether a student of the recipe has a teacher. Students without one are what gains are counted over."""
        return self.from_teacher != "nothing"


ALONE = Recipe("alone", "trained alone", "nothing")
SOFT_TARGETS = Recipe("soft_targets", "taught by soft targets", "soft_targets")
RECIPES = {recipe.name: recipe for recipe in (ALONE, SOFT_TARGETS)}
TAUGHT = tuple(recipe for recipe in RECIPES.values() if recipe.needs_teacher)
