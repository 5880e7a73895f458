"""
Five lines on your own CNN
==========================

HR-CAM explains any PyTorch module that maps images to logits, without changing it. Here a small
CNN has learnt, from labels alone, which brain slices have lesions; the maps show where.
"""

# %%
# A network and images
# --------------------
#
# These stand for yours: 200 simulated slices, of which the last 40 are kept for testing, and a
# network trained for a few seconds.

import matplotlib.pyplot as plt
import numpy as np
import torch

from hrcam.networks import SmallCNN
from hrcam.simulate import LesionCohort, simulate_images
from hrcam.training.classifier import train_classifier
from hrcam.training.images import ImageDataset

cohort = LesionCohort(subjects=200, size=64, radius=(3, 6), strength=0.5)
images, labels, masks = simulate_images(cohort, workers=1)
torch.manual_seed(0)
model = SmallCNN(dimensions=2, in_channels=1, classes=2, widths=(16, 32, 64))
data = ImageDataset(images[:160], labels[:160])
train_classifier(model, data, epochs=10, batch_size=16)

images = torch.from_numpy(images)
train, test = images[:160], images[160:]

# %%
# The five lines
# --------------
#
# ``fit`` needs batches of images like those that you want to explain, and no labels. The pattern
# is the map to look at; the evidence adds up: its mean plus the bias is the logit.

from hrcam import HRCAM

hr = HRCAM(model)
hr.fit(train.split(16), target="logits")
explanation = hr.explain(test, classes=1)
pattern = explanation.pattern  # where the image shows what tells the class
evidence = explanation.evidence  # what the decision is made of

with torch.no_grad():
    accuracy = (model(test).argmax(1).numpy() == labels[160:]).mean()
print(f"accuracy of the CNN on test images: {accuracy:.2f}")
print(f"fidelity of the head that stands in for it: {hr.fidelity:.2f}")

# %%
# The maps
# --------
#
# Warm colours speak for the class "lesion", cold ones against it. Green outlines, which nobody
# has trained on, show the true lesions. All test images have one scale of colours, whose end only
# one value of a hundred exceeds.


def overlay(axes, image, values, limit, outline):
    """Draw a map over an image: the larger a value, the less transparent."""
    axes.imshow(image, cmap="gray")
    alpha = np.clip(np.abs(values) / limit, 0, 1)
    colours = axes.imshow(values, cmap="managua_r", vmin=-limit, vmax=limit, alpha=alpha)
    axes.contour(outline, [0.5], colors="lime", linewidths=1)
    axes.axis("off")
    return colours


limits = [np.percentile(maps.abs().numpy(), 99) for maps in (pattern, evidence)]
shown = [1, 3, 5, 2]  # three test images with lesions, one without
colours = {}
figure, rows = plt.subplots(3, len(shown), figsize=(8, 6.2), layout="constrained")
for column, index in enumerate(shown):
    image, outline = test[index, 0].numpy(), masks[160 + index]
    rows[0, column].imshow(image, cmap="gray")
    rows[0, column].axis("off")
    rows[0, column].set_title("lesion" if labels[160 + index] else "no lesion")
    for row, (maps, limit) in enumerate(zip((pattern, evidence), limits, strict=True), start=1):
        colours[row] = overlay(rows[row, column], image, maps[index].numpy(), limit, outline)
figure.colorbar(colours[1], ax=rows[1], label="root SD")
figure.colorbar(colours[2], ax=rows[2], label="logit")
figure.suptitle("The pattern finds the lesions (middle); the evidence need not (bottom)")
plt.show()

# %%
# The pattern shows where these images differ from those without lesions, in what this network
# relies on. It does not show that the network is right, and its outline is no segmentation: see
# :doc:`/reading-maps`.
