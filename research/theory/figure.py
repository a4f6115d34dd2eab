"""The figure of docs/theory.md: risk against weight, and where the rule and the truth part."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from cch_omics.errors import InputError
from cch_omics.report import style
from research.theory.model import Floats, Problem, calibrated, covariance_of, information
from research.theory.risk import ridge_risk, simulated_risk, tuned_penalty, white_spectra
from research.theory.teachers import DIMENSION, LABELLED, NOISE, SIGNAL, TEACHERS, change

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def teacher_at(gap: float, *, signal_correlation: float, noise_correlation: float) -> Problem:
    """The calibrated teacher of that gap and those correlations, in the cohort of the tables.

    Raises
    ------
    InputError
        If the gap is not above -I(S;Y), where the teacher shares nothing with the student.
    """
    ratio = (1 + SIGNAL / NOISE) * np.exp(2 * gap) - 1
    if ratio <= 0:
        raise InputError("gap", f"{gap:g}", "more than -I(S;Y)", "Information is not negative.")
    return calibrated(
        Problem(
            dimension=DIMENSION,
            signal=SIGNAL,
            noise=NOISE,
            teacher_signal=float(ratio),
            teacher_noise=1.0,
            shared_signal=float(signal_correlation * np.sqrt(ratio * SIGNAL)),
            shared_noise=float(noise_correlation * np.sqrt(NOISE)),
        )
    )


def gain_map(
    gaps: Floats, ratios: Floats, *, signal_correlation: float, noise_correlation: float, weight: float = 1.0
) -> Floats:
    """(R, G) fall of the tuned ridge student's excess risk in per cent, at gaps (G,) and n / d (R,)."""
    spectra = [white_spectra(round(ratio * DIMENSION), DIMENSION, draws=200) for ratio in ratios]
    teachers = [
        teacher_at(gap, signal_correlation=signal_correlation, noise_correlation=noise_correlation) for gap in gaps
    ]
    return np.array(
        [[-change(ridge_risk(p, [0, weight], drawn, tuned_penalty(p))) for p in teachers] for drawn in spectra]
    )


def draw() -> Figure:
    """Draw risk against weight, and where the rule and the truth part."""
    with style.style():
        figure = Figure(figsize=(10, 8.4), layout="constrained", facecolor="white")
        axes = figure.subplots(2, 2)
        _draw_risks(axes[0, 0])
        _draw_small_weights(axes[0, 1])
        _draw_gains(axes[1, 0], "C  λ = 1, ρₓ = 1, ρₑ = 0.5: student's signal", 1.0)
        _draw_gains(axes[1, 1], "D  λ = 1, ρₓ = 0.8, ρₑ = 0.5: misaligned", 0.8)
    return figure


DRAWN = (
    ("denoiser", "#009e73", "^"),
    ("knows all the student knows", "#0072b2", "o"),
    ("noisy view", "#56b4e9", "s"),
    ("misaligned", "#e69f00", "D"),
    ("permuted", "#6b6b6b", "X"),
    ("out of the student's sight", "#d55e00", "v"),
)


def _draw_risks(ax: "Axes") -> None:
    shares, points = np.linspace(0, 0.95, 60), np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    spectra = white_spectra(LABELLED, DIMENSION, draws=2000)
    for name, colour, marker in DRAWN:
        p = TEACHERS[name]
        penalty = tuned_penalty(p)
        alone = float(ridge_risk(p, 0, spectra, penalty))
        weights = points / (1 - points)
        mean, error = simulated_risk(covariance_of(p), weights, LABELLED, penalty=penalty, draws=4000)
        ax.plot(shares, ridge_risk(p, shares / (1 - shares), spectra, penalty) / alone, color=colour)
        ax.plot([], [], color=colour, marker=marker, label=name)
        ax.errorbar(
            points, mean / alone, 2 * error / alone, color=colour, marker=marker, linestyle="none", markersize=5
        )
    ax.axhline(1, color="#222222", linewidth=0.8)
    ax.set(
        title="A  Closed form (lines) and simulation",
        xlabel="share of the teacher in the target, λ / (1 + λ)",
        ylabel="excess risk, student alone = 1",
        ylim=(0.3, 3.4),
    )
    ax.legend(loc="upper left", fontsize=8)


def _draw_small_weights(ax: "Axes") -> None:
    student_label = 0.5 * np.log1p(SIGNAL / NOISE)
    gaps, low, high = np.linspace(-student_label + 1e-4, 1.2, 400), 0.12, 8.0
    border = np.sqrt(((1 + SIGNAL / NOISE) * np.exp(2 * gaps) - 1) / (SIGNAL / NOISE))
    negative, positive = gaps <= 0, gaps >= 0
    inside = np.clip(border, low, high)
    ax.fill_between(gaps[positive], low, inside[positive], color="#9cc4de", linewidth=0)
    ax.fill_between(gaps[positive], inside[positive], high, color="#f3b98b", linewidth=0)
    ax.fill_between(gaps[negative], low, inside[negative], color="#dcecf5", linewidth=0)
    ax.fill_between(gaps[negative], inside[negative], high, color="#fbe6d6", linewidth=0)
    ax.plot(gaps, border, color="#222222")
    ax.axvline(0, color="#222222", linestyle="--")
    for name, colour, marker in DRAWN[:4]:
        p = TEACHERS[name]
        height = max(p.noise_correlation / p.signal_correlation, low * 1.15)
        ax.plot(information(p).gap, height, color=colour, marker=marker, markeredgecolor="white", markersize=9)
    for x, y, text in (
        (0.6, 0.45, "gap > 0, helps"),
        (0.35, 5.4, "gap > 0, harms"),
        (-0.195, 0.2, "gap < 0\nhelps"),
        (-0.195, 3.2, "gap < 0\nharms"),
    ):
        ax.text(x, y, text, fontsize=9 if x > 0 else 7.5)
    ax.set(
        title="B  Small λ, tuned student: rule and truth",
        xlabel="gap I(T;S) - I(S;Y) (nats)",
        ylabel="ρₑ / ρₓ: label's noise against student's signal",
        yscale="log",
        ylim=(low, high),
        xlim=(gaps[0], gaps[-1]),
    )
    ax.set_yticks([0.125, 0.25, 0.5, 1, 2, 4, 8], labels=["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    ax.minorticks_off()
    ax.grid(False)


def _draw_gains(ax: "Axes", title: str, signal_correlation: float) -> None:
    gaps, ratios = np.linspace(-0.19, 1.2, 40), np.geomspace(1.5, 100, 25)
    gains = gain_map(gaps, ratios, signal_correlation=signal_correlation, noise_correlation=0.5)
    levels = np.array([-100, -50, -25, -10, 0, 10, 25, 50, 100])
    drawn = ax.contourf(gaps, ratios, np.clip(gains, -100, 100), levels, cmap=style.DIVERGING, vmin=-60, vmax=60)
    if gains.min() < 0 < gains.max():
        ax.contour(gaps, ratios, gains, [0], colors="#222222")
    ax.axvline(0, color="#222222", linestyle="--")
    ax.set(
        title=title, xlabel="gap I(T;S) - I(S;Y) (nats)", ylabel="labelled patients per feature, n / d", yscale="log"
    )
    ax.set_yticks([2, 5, 10, 20, 50, 100], labels=["2", "5", "10", "20", "50", "100"])
    ax.minorticks_off()
    ax.grid(False)
    ax.figure.colorbar(drawn, ax=ax, label="fall of the excess risk (%)")
