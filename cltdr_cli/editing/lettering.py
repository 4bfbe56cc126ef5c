"""Text on pictures: fonts, shortened lines, and letters that a font does not have."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.errors import UsageError
from cltdr_cli.plain_text import harmless

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_USUAL_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "Helvetica.ttc", "LiberationSans-Regular.ttf")
"""Tried in this order in the system's folders; else the font that comes with Pillow, which has Latin letters."""

_NO_LETTER = "\U000fffff"
"""A code point without meaning, to see what a font draws for a letter that it lacks."""


class Lettering:
    """One font in any size.

    Args:
        font: A TrueType or OpenType file; None looks for a usual one.

    Raises:
        UsageError: The file is no font.
    """

    def __init__(self, font: Path | None = None) -> None:
        self._path = font
        self.font(12)

    @lru_cache(maxsize=64)  # noqa: B019 # one object lives as long as its pictures
    def font(self, pixels: int) -> FreeTypeFont:
        """The font in a size."""
        from PIL import ImageFont

        if self._path is not None:
            try:
                return ImageFont.truetype(str(self._path), pixels)
            except OSError as error:
                raise UsageError(
                    f"font= {self._path} is no font that can be read.", "Give a .ttf, .otf or .ttc file."
                ) from error
        for name in _USUAL_FONTS:
            try:
                return ImageFont.truetype(name, pixels)
            except OSError:
                continue
        return ImageFont.load_default(pixels)  # pyright: ignore[reportReturnType] # FreeType is in Pillow's wheels

    def width(self, text: str, pixels: int) -> int:
        """Pixels that a text takes."""
        return round(self.font(pixels).getlength(text))

    @lru_cache(maxsize=4096)  # noqa: B019 # as above
    def fit(self, text: str, pixels: int, most: int) -> str:
        """A text on one line of so many pixels at most, with an ellipsis where something is cut off."""
        whole = " ".join(harmless(text[:500]).split())
        if self.width(whole, pixels) <= most:
            return whole
        kept = whole
        while kept and self.width(kept + "…", pixels) > most:
            kept = kept[:-1]
        return kept.rstrip() + "…" if kept else ""

    def find_missing(self, texts: list[str]) -> str:
        """Letters of the texts that the font lacks."""
        absent = self._draw(_NO_LETTER)
        letters = sorted({letter for text in texts for letter in text if not letter.isspace()})
        return "".join(letter for letter in letters if self._draw(letter) == absent)

    def _draw(self, letter: str) -> bytes:
        """What a letter looks like."""
        from PIL import Image, ImageDraw

        image = Image.new("L", (48, 48))
        ImageDraw.Draw(image).text((8, 8), letter, fill=255, font=self.font(24))
        return image.tobytes()
