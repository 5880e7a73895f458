"""
Reading a map critically
========================

A map shows what a network looks at, and that can be the wrong thing. Four ways in which a clear
and colourful map misleads, and how each is found out.
"""

import textwrap
import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch

from hrcam import HRCAM
from hrcam.errors import HRCAMWarning
from hrcam.networks import SmallCNN
from hrcam.simulate import LesionCohort, simulate_images
from hrcam.training.classifier import train_classifier
from hrcam.training.images import ImageDataset

cohort = LesionCohort(subjects=220, size=64, radius=(3, 6), strength=0.3)
images, labels, masks = simulate_images(cohort, workers=1)
train, test = slice(0, 160), slice(160, 220)


def network(images=None, kind=SmallCNN):
    """Return a network trained on the first 160 images, or one with random weights."""
    torch.manual_seed(0)
    model = kind(dimensions=2, in_channels=1, classes=2, widths=(16, 32, 64))
    if images is not None:
        data = ImageDataset(images[train], labels[train])
        train_classifier(model, data, epochs=10, batch_size=16)
    return model.eval()


def fit(model, images):
    """Fit HR-CAM to a network and say how often that network is right on test images."""
    hr = HRCAM(model).fit(torch.from_numpy(images[train]).split(16), target="logits")
    found = hr.explain(torch.from_numpy(images[test]), 1)
    correct = found.model_logits.argmax(1).numpy() == labels[test]
    print(f"test accuracy {correct.mean():.2f}, fidelity {hr.fidelity:.2f}")
    return found


def draw(axes, images, found, index, title):
    """Draw a test image with its pattern for the class "lesion", and the true lesions.

    The scale of colours is that of all test images; one value of a hundred exceeds it.
    """
    limit = np.percentile(found.pattern.abs().numpy(), 99)
    image, pattern, mask = (
        images[test][index, 0],
        found.pattern[index].numpy(),
        masks[test][index],
    )
    alpha = np.clip(np.abs(pattern) / limit, 0, 1)
    axes.imshow(image, cmap="gray", vmin=0, vmax=1)
    axes.imshow(pattern, cmap="managua_r", vmin=-limit, vmax=limit, alpha=alpha)
    if mask.any():
        axes.contour(mask, [0.5], colors="lime", linewidths=1)
    axes.set_title(f"{title}\ncolours end at ±{limit:.2g} root SD", fontsize=10)
    axes.axis("off")


# %%
# A confounder lights up
# ----------------------
#
# Suppose that patients come from a hospital that prints a marker into the corner. A network needs
# only the marker, and test images from the same hospitals do not give it away: the accuracy is
# perfect. The map does.

marked = images.copy()
marked[labels == 1, :, 4:8, 4:8] = 0.9
with_marker = fit(network(marked), marked)
found = fit(network(images), images)

patient = int(np.flatnonzero(labels[test])[0])
figure, panels = plt.subplots(1, 2, figsize=(6.5, 3.6), layout="constrained")
draw(panels[0], marked, with_marker, patient, "trained with markers")
draw(panels[1], images, found, patient, "trained without")
figure.suptitle("With markers in the training, the map shows the marker")
plt.show()

# %%
# A wrong prediction is explained as well
# ---------------------------------------
#
# The map of a wrong prediction shows what the network took for a lesion, or that it saw none. It
# looks as convincing as that of a right one: show the prediction, and the truth, next to it.

chances = found.model_logits.softmax(1)[:, 1].numpy()
false_alarm = int(np.where(labels[test] == 0, chances, -1).argmax())
missed = int(np.where(labels[test] == 1, chances, 2).argmin())
figure, panels = plt.subplots(1, 2, figsize=(6.5, 3.6), layout="constrained")
for axes, index in zip(panels, (false_alarm, missed), strict=True):
    truth = cohort.labels[labels[test][index]]
    draw(axes, images, found, index, f"{truth}; p(lesion) = {chances[index]:.2f}")
figure.suptitle("The worst false alarm and the worst miss")
plt.show()

# %%
# Low fidelity
# ------------
#
# The maps are of a linear head that stands in for the network, and the fidelity says how well: R²
# of the network's outputs on held-out images. It cannot follow a network that ends in a global
# maximum instead of a mean, and ``fit`` warns. Such maps should not be shown.


class MaxPooled(SmallCNN):
    """The same network with a global maximum in place of the mean."""

    def forward(self, images):
        """Return logits."""
        return self.classifier(self.blocks(images).flatten(2).amax(2))


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", HRCAMWarning)
    fit(network(images, MaxPooled), images)
print(*(textwrap.fill(str(one.message), 80) for one in caught), sep="\n")

# %%
# Does the map need what was learnt?
# ----------------------------------
#
# A network with random weights has learnt nothing, so a map like its map shows the image and not
# the learning (Adebayo et al., NeurIPS 2018). It cannot know which class is which: compare the
# sizes, whatever the sign.

with warnings.catch_warnings():
    warnings.simplefilter("ignore", HRCAMWarning)  # that this network predicts nothing
    random = fit(network(), images)
sizes = [one.pattern.abs().flatten() for one in (found, random)]
likeness = np.corrcoef(*sizes)[0, 1]

figure, panels = plt.subplots(1, 2, figsize=(6.5, 3.6), layout="constrained")
draw(panels[0], images, found, patient, "trained")
draw(panels[1], images, random, patient, "random weights")
figure.suptitle(f"Random weights find the bright lesion too (correlation {likeness:.2f})")
plt.show()

# %%
# Lesions this bright are unusual to any network: that a map finds them says little about what was
# learnt. ``hrcam map`` makes this check and four more for each run. None of them finds the marker
# above: passing shows that a map depends on what was learnt, not that the right thing was learnt.
# :doc:`/reading-maps` has more questions to ask.
