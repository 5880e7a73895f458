"""
Comparing rivals
================

Other methods read the same network through one interface. Where the truth is known, as in
simulated images, they can be scored against it: here by the area under the precision-recall curve
(AUPRC) of pixels, and by whether a map's maximum lies in a lesion (pointing game).
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from hrcam import HRCAM
from hrcam.baselines import CAM, EigenCAM, GradCAM, LayerCAM
from hrcam.evaluation.localisation import auprc, pointing
from hrcam.networks import SmallCNN
from hrcam.simulate import LesionCohort, simulate_images
from hrcam.training.classifier import train_classifier
from hrcam.training.images import ImageDataset

cohort = LesionCohort(subjects=240, size=64, radius=(3, 6), strength=0.4)
images, labels, masks = simulate_images(cohort, workers=1)
torch.manual_seed(0)
model = SmallCNN(dimensions=2, in_channels=1, classes=2, widths=(16, 32, 64))
data = ImageDataset(images[:180], labels[:180])
train_classifier(model, data, epochs=10, batch_size=16)

# %%
# One map from each
# -----------------
#
# A rival reads the levels that it is told to: ``blocks`` is the last and coarsest feature map,
# ``blocks.1`` is twice as fine. ``fuse`` joins all levels. Nothing of a rival is fitted. Rivals'
# maps are as read from the network: the fair comparison is with HR-CAM's as read. Refined along
# the edges of the image, which could be done to any map, it is shown for what a user gets.

lesion = np.flatnonzero(labels[180:] == 1) + 180
test, truth = torch.from_numpy(images[lesion]), masks[lesion]
hr = HRCAM(model).fit(torch.from_numpy(images[:180]).split(30), target="logits")
maps = {
    "CAM": CAM(model, levels=["blocks"]).explain(test, 1),
    "Grad-CAM": GradCAM(model, levels=["blocks"]).explain(test, 1),
    "LayerCAM, finer level": LayerCAM(model, levels=["blocks.1"]).explain(test, 1),
    "Eigen-CAM, all levels": EigenCAM(model).explain(test, 1, fuse="product"),
    "HR-CAM, as read": hr.explain(test, 1).pattern_as_read.abs(),
    "HR-CAM, refined": hr.explain(test, 1).pattern.abs(),
}

# %%
# Each map in its own scale
# -------------------------
#
# Units differ between methods: compare where maps are high, never their values.

figure, panels = plt.subplots(3, len(maps) + 1, figsize=(11, 4.8), layout="constrained")
for row, index in zip(panels, (0, 2, 4), strict=True):
    for axes, values in zip(row[1:], maps.values(), strict=True):
        shown = values[index].clamp(min=0).numpy()
        axes.imshow(images[lesion[index], 0], cmap="gray")
        axes.imshow(shown, cmap="inferno", alpha=shown / shown.max())
        axes.contour(truth[index], [0.5], colors="lime", linewidths=1)
    row[0].imshow(images[lesion[index], 0], cmap="gray")
for axes, name in zip(panels[0], ("image", *maps), strict=True):
    axes.set_title(name, fontsize=9)
for axes in panels.flat:
    axes.axis("off")
figure.suptitle("The finer a method reads, the closer it stays to the lesion")
plt.show()

# %%
# Scores
# ------
#
# Each point is one test image, each bar the mean. A map without information would score what the
# dotted line shows: the share of pixels that are lesion.

scores, hits = {}, {}
for name, values in maps.items():
    pairs = list(zip(values.numpy(), truth, strict=True))
    scores[name] = [auprc(one, mask) for one, mask in pairs]
    hits[name] = np.mean([pointing(one, mask) for one, mask in pairs])
    print(f"{name:22} AUPRC {np.mean(scores[name]):.2f}  pointing {hits[name]:.2f}")

figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
for place, (name, values) in enumerate(scores.items()):
    colour = "tab:orange" if name.startswith("HR-CAM") else "tab:gray"
    axes.barh(place, np.mean(values), color=colour, alpha=0.6)
    axes.plot(values, np.full(len(values), place), "|", color="black", alpha=0.5)
axes.axvline(truth.mean(), color="black", linestyle=":")
axes.set_yticks(range(len(maps)), maps)
axes.invert_yaxis()
axes.set_xlim(0, 1)
axes.set_xlabel("AUPRC of lesion pixels")
axes.set_title(f"Agreement with the true lesions, {len(test)} test images")
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# One network, one kind of strong lesion and a few images rank nothing, and the level of LayerCAM
# was picked with the truth in hand, which a user does not have. :doc:`/results` compares all
# methods, levels and fusions, on real images too. A map that agrees with an outline looks at the
# lesion; that it explains the decision faithfully is another question.
