"""Small cohorts in files whose truth is known."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_table(folder: Path, rows: list[dict[str, str]]) -> Path:
    columns = list(rows[0])
    lines = ["\t".join(columns), *("\t".join(row[name] for name in columns) for row in rows)]
    (folder / "participants.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_picture(path: Path, seed: int, bright: bool) -> None:
    generator = np.random.default_rng(seed)
    pixels = generator.normal(100, 20, (40, 48))
    if bright:
        top, left = generator.integers(4, 28, 2)
        pixels[top : top + 8, left : left + 8] += 90
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
