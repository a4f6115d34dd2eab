"""The registry of estimators of mutual information I(X;Y), in nats.

X is a representation. Y is another one, or a label: a class, which is discrete, or a number, which is continuous.
Configuration, report and documentation take names and texts from the entries; the code of an estimator is imported when
it is used. To add an estimator is to write a file with an `estimators.Estimator` in it, and to add an entry here.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cch_omics.information.estimators import Estimator


@dataclass(frozen=True)
class Entry:
    """An estimator of I(X;Y).

    Attributes
    ----------
    name
        As in the configuration and in tables.
    y
        What Y is: `continuous`, points or a number; `discrete`, a class; or `any` label, as every task has likelihoods.
    estimates, needs, limits, reference
        What it estimates, the least it takes, where it fails, where it is from.
    code
        Module and name of its `estimators.Estimator`.
    """

    name: str
    y: Literal["continuous", "discrete", "any"]
    estimates: str
    needs: str
    limits: str
    reference: str
    code: str

    def load(self) -> "Estimator":
        """Import the estimator."""
        module, _, name = self.code.partition(":")
        found: Estimator = getattr(import_module(module), name)
        return found


TABLE = (
    Entry(
        name="ksg",
        y="continuous",
        estimates="I(X;Y) of two continuous variables",
        needs="more than k samples",
        limits=(
            "Too low where dependence is strong or dimensions are many: reduce to the few that matter. Not "
            "invariant to the relative scale of columns within X or within Y."
        ),
        reference="Kraskov, Stoegbauer, Grassberger 2004, Phys. Rev. E 69, 066138, eq. 8",
        code="cch_omics.information.ksg:KSG",
    ),
    Entry(
        name="mixed",
        y="continuous",
        estimates="I(X;Y) of variables that are partly continuous, partly discrete",
        needs="more than k samples",
        limits="As ksg, to which it is equal but for 1/(2n) where nothing ties. Meant for ties, such as counts.",
        reference="Gao, Kannan, Oh, Viswanath 2017, NeurIPS 30, algorithm 1",
        code="cch_omics.information.ksg:MIXED",
    ),
    Entry(
        name="gaussian",
        y="continuous",
        estimates="I(X;Y) of two jointly Gaussian variables, unbiased",
        needs="p + q < n - 1, for n samples and ranks p and q of X and Y",
        limits=(
            "Sees linear dependence only: too low where dependence is not, too high or too low where the "
            "distribution has classes or heavy tails."
        ),
        reference="Misra, Singh, Demchuk 2005, J. Multivariate Anal. 92, 324",
        code="cch_omics.information.gaussian:GAUSSIAN",
    ),
    Entry(
        name="latent",
        y="continuous",
        estimates="a lower bound of I(X;Y) of two continuous variables: KSG of two learned dimensions of each",
        needs="20 samples, and half of them more than k",
        limits=(
            "Too low where X and Y share more than two dimensions, and with few samples, of which two in five train a "
            "network (by 0.7 of 1.0 nats with n = 100, d = 8; by 0.2 with n = 400). Not invariant to the relative "
            "scale of columns within X or within Y."
        ),
        reference="Gowri, Lun, Klein, Yin 2024, NeurIPS 37, arXiv 2409.02732",
        code="cch_omics.information.latent:LATENT",
    ),
    Entry(
        name="infonce",
        y="continuous",
        estimates="a lower bound of I(X;Y), from a critic that tells joint samples from others",
        needs="50 samples",
        limits=(
            "At most log(n / 2), whatever the truth. Too low with few samples, as the critic is poor: by half with "
            "n = 400, d = 8."
        ),
        reference="van den Oord, Li, Vinyals 2018, arXiv 1807.03748; Poole et al. 2019, ICML",
        code="cch_omics.information.critics:INFONCE",
    ),
    Entry(
        name="mine",
        y="continuous",
        estimates="I(X;Y) as Donsker and Varadhan's supremum over critics: a lower bound in the limit of many samples",
        needs="50 samples",
        limits=(
            "Too low with few samples, as infonce. Without a ceiling, but erratic where information is much: it rests "
            "on the mean of an exponential, and can be far below zero."
        ),
        reference="Belghazi et al. 2018, ICML; McAllester, Stratos 2020, AISTATS; Song, Ermon 2020, ICLR",
        code="cch_omics.information.critics:MINE",
    ),
    Entry(
        name="ross",
        y="discrete",
        estimates="I(X;Y) of a continuous variable and a class",
        needs="two classes of two samples or more",
        limits=(
            "Too low in many dimensions; shaky where a class has few samples: k is lowered in a class of at most "
            "k, a class of one is left out. Not invariant to the relative scale of the columns of X."
        ),
        reference="Ross 2014, PLoS ONE 9, e87357, eq. 6",
        code="cch_omics.information.ross:ROSS",
    ),
    Entry(
        name="likelihood",
        y="any",
        estimates="a lower bound of I(X;Y): how much likelier labels are with held-out outputs of X's model",
        needs="two labels in a fold, and some in the others",
        limits=(
            "As low as the model is poor. Not like for like with I(T;S) by ksg, and not calibrated by simulations: the "
            "gap has an estimate, and no correction."
        ),
        reference="Barber, Agakov 2003, NeurIPS 16",
        code="cch_omics.information.likelihood:LIKELIHOOD",
    ),
)
ESTIMATORS = {entry.name: entry for entry in TABLE}

# What the configuration offers for I(T;S), and for I(S;Y) and I(T;Y): `auto` is the task's own choice.
BETWEEN_VIEWS = tuple(name for name, entry in ESTIMATORS.items() if entry.y == "continuous")
WITH_LABEL = ("auto", *ESTIMATORS)
