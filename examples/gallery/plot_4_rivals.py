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

from hrcam import HRCAM, refine
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
# ``blocks.1`` is twice as fine. ``fuse`` joins all levels. Nothing of a rival is fitted.
# "HR-CAM (2019)" is the method as published: the evidence of a head that is fitted to labels.
# All these maps are as read from the network; ``refine`` smooths any of them along the edges of the
# image.

lesion = np.flatnonzero(labels[180:] == 1) + 180
test, truth = torch.from_numpy(images[lesion]), masks[lesion]
train, known = torch.from_numpy(images[:180]).split(30), torch.from_numpy(labels[:180]).split(30)
hr = HRCAM(model).fit(train, target="logits")
published = HRCAM(model).fit(list(zip(train, known, strict=True)), target="labels")
maps = {
    "CAM": CAM(model, levels=["blocks"]).explain(test, 1),
    "Grad-CAM": GradCAM(model, levels=["blocks"]).explain(test, 1),
    "LayerCAM, finer level": LayerCAM(model, levels=["blocks.1"]).explain(test, 1),
    "Eigen-CAM, all levels": EigenCAM(model).explain(test, 1, fuse="product"),
    "HR-CAM (2019)": published.explain(test, 1).evidence,
    "HR-CAM pattern": hr.explain(test, 1).pattern_as_read.abs(),
}
refined = {name: refine(values.clamp(min=0), test) for name, values in maps.items()}

# %%
# Each map in its own scale
# -------------------------
#
# Units differ between methods: compare where maps are high, never their values. The last column is
# HR-CAM's pattern refined, the map that a user gets.

shown_maps = maps | {"HR-CAM pattern,\nrefined": refined["HR-CAM pattern"]}
figure, panels = plt.subplots(3, len(shown_maps) + 1, figsize=(12, 4.8), layout="constrained")
for row, index in zip(panels, (0, 2, 4), strict=True):
    for axes, values in zip(row[1:], shown_maps.values(), strict=True):
        shown = values[index].clamp(min=0).numpy()
        axes.imshow(images[lesion[index], 0], cmap="gray")
        axes.imshow(shown, cmap="inferno", alpha=shown / shown.max())
        axes.contour(truth[index], [0.5], colors="lime", linewidths=1)
    row[0].imshow(images[lesion[index], 0], cmap="gray")
for axes, name in zip(panels[0], ("image", *shown_maps), strict=True):
    axes.set_title(name, fontsize=9)
for axes in panels.flat:
    axes.axis("off")
figure.suptitle("The finer a method reads, the closer it stays to the lesion")
plt.show()

# %%
# Scores
# ------
#
# Each point is one test image, each bar the mean: above as read, below refined alike. Compare
# methods at the same stage. A map without information would score what the dotted line shows: the
# share of pixels that are lesion.

scores, hits = {}, {}
for stage, stage_maps in (("as read", maps), ("refined", refined)):
    for name, values in stage_maps.items():
        pairs = list(zip(values.numpy(), truth, strict=True))
        scores[name, stage] = [auprc(one, mask) for one, mask in pairs]
        hits[name, stage] = np.mean([pointing(one, mask) for one, mask in pairs])
        print(
            f"{name:22} {stage:7}  AUPRC {np.mean(scores[name, stage]):.2f}  "
            f"pointing {hits[name, stage]:.2f}"
        )

figure, axes = plt.subplots(figsize=(8, 4.4), layout="constrained")
names = list(maps)
for (name, stage), values in scores.items():
    place = names.index(name) + (-0.2 if stage == "as read" else 0.2)
    colour = "tab:orange" if name.startswith("HR-CAM") else "tab:gray"
    axes.barh(place, np.mean(values), 0.38, color=colour, alpha=0.4 if stage == "as read" else 0.7)
    axes.plot(values, np.full(len(values), place), "|", color="black", alpha=0.5)
axes.axvline(truth.mean(), color="black", linestyle=":")
axes.set_yticks(range(len(names)), names)
axes.invert_yaxis()
axes.set_xlim(0, 1)
axes.set_xlabel("AUPRC of lesion pixels (upper bars: as read, lower bars: refined)")
axes.set_title(f"Agreement with the true lesions, {len(test)} test images")
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# One network, one kind of strong lesion and a few images rank nothing, and the level of LayerCAM
# was picked with the truth in hand, which a user does not have. :doc:`/results` compares all
# methods, levels and fusions, on real images too. A map that agrees with an outline looks at the
# lesion; that it explains the decision faithfully is another question.
