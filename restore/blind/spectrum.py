"""The evidence for a blur in the power spectrum of a photo.

    E |Y(f)|^2 = (|K(f)|^2 + epsilon) S(f) + sigma^2,      log S(f) = c . b(f)

Y is the mean over windowed pieces (Welch, IEEE Trans. Audio and Electroacoustics 1967). Photos have
spectra S that fall as a power of the frequency, to some degree differently in different directions
(Field, JOSA A 1987): b holds 1, log |f| and cos, sin of two and four times the angle of f. A kernel
K leaves its zeros and its own fall, |K|^2 as the windows show it; epsilon is what a photo keeps
there, because no kernel is quite right: blur that varies over the photo, tones that are not linear
in light. |Y(f)|^2 is distributed exponentially about its mean (Whittle's likelihood); its maximum
over c, with Gaussian priors on all of c but the first, is the evidence.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from operators.convolution import embedded

SLOPE, SLOPE_SPREAD = -2.8, 0.35
"""Exponent of the power spectra of photos and how much it varies."""
_SPREADS = (SLOPE_SPREAD, 0.3, 0.3, 0.15, 0.15)
_WEIGHT = 0.1  # of a frequency: neighbours share what the model of S misses
EPSILON = 3e-3
"""What of their spectrum S photos keep where a kernel passes nothing."""
EXACT, CALM = 1e-6, 0.003
"""What they keep that a program blurred, and where noise hides what others keep; and the noise on
[0, 1] below which that is told apart."""
# Variance of the sharp photo's detail, and how much its logarithm may exceed that: more contrast
# than values in [0, 1] can have would let epsilon alone explain a sharp photo.
_CONTRAST, _CONTRAST_SPREAD = 0.05, 0.3
_LEAST_FREQUENCY = 0.03
_SMOOTH, _FEWEST = 11, 50  # frequencies of a side, and in all
_CHUNK = 200_000  # values at once, that the processor keeps near
_STEPS, _SETTLED = 40, 0.01  # steps at most, and until one gains less, in nats


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Powers (F,) of a photo and its noise's at frequencies of an n x n grid, with their directions
    b (F, 6); epsilon: the share of S that no kernel takes away."""

    powers: Tensor
    basis: Tensor
    places: Tensor
    n: int
    variance: Tensor
    pieces: float
    epsilon: float = EPSILON

    def thinned(self, step: int) -> "Spectrum":
        """Keep every step-th frequency."""
        places = self.places[::step]
        powers, basis, variance = self.powers[::step], self.basis[::step], self.variance[::step]
        return Spectrum(powers, basis, places, self.n, variance, self.pieces * step, self.epsilon)

    def kept(self) -> list["Spectrum"]:
        """Itself, and the same as of a program's blur."""
        return [self, replace(self, epsilon=EXACT)]

    def evidence(self, kernels: list[Tensor]) -> Tensor:
        """Give the log evidence (N,) of N kernels, in nats."""
        chunk = max(1, _CHUNK // len(self.places))
        parts = [kernels[k : k + chunk] for k in range(0, len(kernels), chunk)]
        return torch.cat([self._maximum(self._gains(part)) for part in parts])

    def noise_alone(self) -> float:
        """Give the log evidence of there being no photo, only noise."""
        fit = -(torch.log(self.variance) + self.powers / self.variance).sum()
        return float(fit) * self.pieces * _WEIGHT

    def _gains(self, kernels: list[Tensor]) -> Tensor:
        laid = [embedded(kernel.double(), (self.n, self.n)) for kernel in kernels]
        transfer = torch.fft.rfft2(torch.stack(laid))
        powers = _leaked(transfer.real.square() + transfer.imag.square())
        return powers.flatten(1)[:, self.places] + self.epsilon

    def _maximum(self, gains: Tensor) -> Tensor:
        """Maximise over c by damped Newton steps, all kernels at once, each until it settles."""
        mean = self.basis.new_tensor([0, SLOPE, 0, 0, 0, 0])
        prior = self.basis.new_tensor([0, *(s**-2 for s in _SPREADS)]) / (self.pieces * _WEIGHT)
        products = (self.basis[:, :, None] * self.basis[:, None, :]).flatten(1)

        def value(c: Tensor, gains: Tensor) -> tuple[Tensor, Tensor]:
            mu = torch.exp((c @ self.basis.T).clamp_(max=40)).mul_(gains).add_(self.variance)
            fit = -(torch.log(mu).add_(self.powers / mu)).sum(1)
            return fit - (prior * (c - mean) ** 2).sum(1) / 2, mu

        c = mean.repeat(len(gains), 1)
        signal = (self.powers - self.variance).clamp(min=0).sum().clamp(min=1e-12)
        c[:, 0] = torch.log(signal / (gains @ torch.exp(self.basis @ mean)))
        best, mu = value(c, gains)
        last, most, left = c.clone(), best.clone(), torch.arange(len(c))
        damping = torch.full_like(best, 1e-3)
        for _ in range(_STEPS):
            slope, curved = self._bent(mu, products)
            slope, curved = slope - prior * (c - mean), curved + torch.diag(prior)
            ridge = damping[:, None] * (torch.diagonal(curved, dim1=1, dim2=2) + 1e-9)
            step = torch.linalg.solve(curved + torch.diag_embed(ridge), slope)
            step = step / (step.abs().amax(1, keepdim=True) / 1.5).clamp(min=1)
            found, new = value(c + step, gains)
            better, gained = found >= best, (found - best) * (self.pieces * _WEIGHT)
            c, mu = torch.where(better[:, None], c + step, c), torch.where(better[:, None], new, mu)
            best = torch.maximum(best, found)
            damping = torch.where(better, damping / 10, damping * 30).clamp(1e-6, 1e6)
            last[left], most[left] = c, best
            going = ~better | (gained > _SETTLED)
            if not going.any():
                break
            c, mu, gains, best, damping, left = (
                one[going] for one in (c, mu, gains, best, damping, left)
            )
        return most * (self.pieces * _WEIGHT) - self._excess(last)

    def _excess(self, c: Tensor) -> Tensor:
        """Nats (N,) against more contrast than photos have."""
        contrast = 2 * torch.exp((c @ self.basis.T).clamp(max=40)).sum(1) / self.n**2
        return (torch.log(contrast / _CONTRAST).clamp(min=0) / _CONTRAST_SPREAD) ** 2 / 2

    def _bent(self, mu: Tensor, products: Tensor) -> tuple[Tensor, Tensor]:
        """Slope (N, 6) and negative curvature (N, 6, 6) of the log likelihoods in c; where they are
        not concave, the curvature that is expected (Fisher's)."""
        share, over = 1 - self.variance / mu, self.powers / mu - 1
        curved = (share * (share + over * (2 * share - 1)) @ products).reshape(-1, 6, 6)
        other = torch.linalg.cholesky_ex(curved).info > 0
        if other.any():
            curved[other] = (share[other] ** 2 @ products).reshape(-1, 6, 6)
        return (over * share) @ self.basis, curved


def spectrum(
    plane: Tensor, sigma: float, steps: Tensor | None = None, removed: float = 0.0
) -> Spectrum:
    """Measure the spectrum of a plane (H, W) of noise sigma, sides of at least 64 pixels.

    steps: (8, 8) of the coefficients of blocks of 8 x 8 pixels that the plane was rounded to, as in
    a JPEG, on [0, 1]: rounding is noise too, of another power at each frequency, and where there is
    no more than that, nothing is known. removed: standard deviation of noise that somebody may have
    removed, and with it what was as weak.
    """
    n = 128 if min(plane.shape) >= 128 else 64
    powers = _welch(plane.double(), n)
    down, right = torch.fft.fftfreq(n)[:, None].double(), torch.fft.rfftfreq(n)[None].double()
    radius, angle = torch.hypot(down, right), torch.atan2(down.expand(n, -1), right.expand(n, -1))
    # The axes hold what the borders of the pieces and rows of a sensor leave.
    usable = (radius >= _LEAST_FREQUENCY) & (radius <= 0.5)
    usable &= (right > 1.5 / n) & (down.abs() > 1.5 / n)
    variance = torch.full_like(powers, sigma**2)
    if steps is not None or removed:
        rounding = torch.full_like(powers, removed**2)
        if steps is not None:
            rounding += _between(steps.double(), 16 * down.abs(), 16 * right) ** 2 / 12
        kept = usable & (_smoothed(powers) > 3 * rounding)  # less than half a step becomes 0
        usable = kept if int(kept.sum()) >= _FEWEST else usable
        variance += rounding
    log, angle = torch.log(radius[usable]), angle[usable]
    turns = [f(k * angle) for k in (2, 4) for f in (torch.cos, torch.sin)]
    basis = torch.stack([torch.ones_like(log), log - log.mean(), *turns], 1)
    pieces = max(1.0, 1.5 * plane.shape[0] * plane.shape[1] / n**2)
    places = usable.flatten().nonzero()[:, 0]
    return Spectrum(powers[usable], basis, places, n, variance[usable], pieces)


def _smoothed(powers: Tensor) -> Tensor:
    """The powers (n, n / 2 + 1) over squares that zeros of a kernel do not empty."""
    half = _SMOOTH // 2
    around = torch.cat([powers[-half:], powers, powers[:half]])[None, None]
    wide = torch.nn.functional.pad(around, (half, half, 0, 0), mode="reflect")
    return torch.nn.functional.avg_pool2d(wide, _SMOOTH, 1)[0, 0]


def halved(steps: Tensor) -> Tensor:
    """The steps (8, 8) of a plane at half its size: as many of half the frequencies, and half as
    large, as the power of noise is spread over a quarter of the pixels."""
    places = torch.arange(8) / 2
    return _between(steps.double(), places, places) / 2


def _between(steps: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """The steps (8, 8) at places (n, 1) and (1, m) between the coefficients, (n, m)."""
    weights = [
        (1 - (place.double().clamp(max=7).flatten()[:, None] - torch.arange(8)).abs()).clamp(min=0)
        for place in (down, right)
    ]
    return weights[0] @ steps @ weights[1].T


def _leaked(powers: Tensor) -> Tensor:
    """What the windows of `_welch` make of powers (N, n, n / 2 + 1) away from the axes: next to a
    zero there is what leaks into it, by Hann's second moment of a third of a frequency squared."""
    for axis in (1, 2):
        powers = (4 * powers + powers.roll(1, axis) + powers.roll(-1, axis)) / 6
    return powers


def _welch(plane: Tensor, n: int) -> Tensor:
    window = torch.hann_window(n, periodic=False, dtype=torch.float64)
    window = window[:, None] * window
    window = window / window.norm()
    total = torch.zeros(n, n // 2 + 1, dtype=torch.float64)
    starts = [_starts(side, n) for side in plane.shape]
    for top in starts[0]:
        for left in starts[1]:
            piece = plane[top : top + n, left : left + n]
            transfer = torch.fft.rfft2((piece - piece.mean()) * window)
            total += transfer.real**2 + transfer.imag**2
    return total / (len(starts[0]) * len(starts[1]))


def _starts(side: int, n: int) -> list[int]:
    count = math.ceil(4 * (side - n) / n) + 1
    return [round(i * (side - n) / max(count - 1, 1)) for i in range(count)]
