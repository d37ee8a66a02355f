"""Kernels and operators in words that clients may use: no file, no module, nothing too large."""

NUMBER = r"(?:0\.[0-9]{0,5}[1-9]|[1-9][0-9]?(?:\.[0-9]{1,6})?)"
"""Above 0, below 100."""
ANGLE = r"-?[0-9]{1,3}(?:\.[0-9]{1,6})?"
ODD = r"(?:[579]|[1-9][13579])"
KERNELS = (
    rf"gaussian:{NUMBER}",
    rf"motion:{NUMBER}(?:,{ANGLE})?",
    rf"disk:{NUMBER}",
    rf"walk:{ODD}(?:,{NUMBER}(?:,[0-9]{{1,6}})?)?",
)
PARTS = (
    *KERNELS,
    r"downsample:(?:[2-9]|1[0-6])(?:,(?:bicubic|lanczos|box))?",
    r"grayscale",
    r"mosaic(?::(?:RGGB|BGGR|GRBG|GBRG))?",
    r"gamma",
    r"clip",
    r"quantize:(?:[1-9]|1[0-6])",
    r"jpeg(?::(?:[1-9][0-9]?|100))?",
)
KERNEL = rf"^(?:{'|'.join(KERNELS)})$"
"""As of `operators.kernels.parse`, but for files."""
PART = rf"(?:{'|'.join(PARTS)})"
OPERATOR = rf"^{PART}(?: ?@ ?{PART}){{0,5}}$"
"""As of `restore.chain.parse`, but for files and modules; six parts at most."""


def enlargement(operator: str) -> int:
    """How many times larger than its measurement the picture of a chain is."""
    factor = 1
    for part in operator.split("@"):
        word, _, rest = part.strip().partition(":")
        if word == "downsample":
            factor *= int(rest.split(",")[0])
    return factor
