"""Really trained runs on pictures in which the pathology is a bright square, in seconds."""

import numpy as np
from PIL import Image as Pillow

from hrcam.cohort import open_cohort
from hrcam.training import Hardware, TrainingConfig, train_cohort

CPU = Hardware(accelerator="cpu", workers=1)
TINY = TrainingConfig(
    folds=2, epochs=8, validation=0, shape=(32, 32), batch_size=8, learning_rate=5e-3
)
SIZE = (40, 48)


def square_pictures(folder, number=40, *, masks="lesions", split=False, group=1):
    """Pictures of noise, every second one with a square, as a cohort.

    Masks are of "lesions", or of all pictures of the "test" split. So many pictures in a row are
    a group.
    """
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    lines = ["participant_id\timage\tlabel\tmask\tgroup" + ("\tsplit" if split else "")]
    for index in range(number):
        generator = np.random.default_rng(index)
        pixels, mask = generator.normal(100, 20, SIZE), np.zeros(SIZE, bool)
        if index % 2:
            top, left = generator.integers(4, 28, 2)
            mask[top : top + 9, left : left + 9] = True
            pixels[mask] += 90
        name = f"{index:03d}.png"
        Pillow.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "images" / name)
        part = "test" if index >= number * 0.6 else "train"
        drawn = index % 2 if masks == "lesions" else part == "test"
        if drawn:
            Pillow.fromarray(mask.astype(np.uint8) * 255).save(folder / "masks" / name)
        row = [f"p{index:03d}", f"images/{name}", "square" if index % 2 else "plain"]
        row += [f"masks/{name}" if drawn else "n/a", f"g{index // group}"]
        lines.append("\t".join([*row, part] if split else row))
    (folder / "participants.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return open_cohort(folder)


def trained(cohort, out, config=TINY):
    """Train on a cohort, on one core."""
    return train_cohort(cohort, out, config, hardware=CPU, progress=False).run
