"""How far predictions were from their labels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Losses:
    """Labelled predictions: how many, the sum of their losses, and the sum of the squares of those losses.

    A loss is the squared error, which is the Brier loss where the prediction is a probability.
    """

    count: int = 0
    sum: float = 0.0
    squares: float = 0.0

    def __add__(self, other: Losses) -> Losses:
        return Losses(self.count + other.count, self.sum + other.sum, self.squares + other.squares)

    @property
    def mean(self) -> float:
        """The mean loss; 0 where there is none."""
        return self.sum / self.count if self.count else 0.0

    @property
    def variance(self) -> float:
        """The variance of the mean, estimated from the sample; `count` > 1."""
        return max(0.0, self.squares - self.count * self.mean**2) / (self.count - 1) / self.count
