"""
A torchvision or timm model
===========================

Networks from torchvision and timm need no preparation: HR-CAM finds the last feature map of every
resolution by itself. Here a ResNet-18 of torchvision and a ResNet-10-T of timm learn simulated
lesions from random weights, as pretrained ones would have to be downloaded.
"""

# %%
# .. only:: not torchvision
#
#    .. note::
#
#       torchvision is not installed where this page was built. Its output and picture below were
#       recorded in an environment that has it.
#
# Two networks
# ------------
#
# With ``weights="DEFAULT"`` in torchvision and ``pretrained=True`` in timm they start from
# ImageNet; the rest stays as it is. Both take three channels, so grey images are repeated.

# sphinx_gallery_thumbnail_path = "images/recorded/torchvision-timm.jpg"
import matplotlib.pyplot as plt
import numpy as np
import timm
import torch
import torchvision

from hrcam import HRCAM
from hrcam.simulate import LesionCohort, simulate_images
from hrcam.training.classifier import train_classifier
from hrcam.training.images import ImageDataset

torch.manual_seed(0)
models = {
    "torchvision resnet18": torchvision.models.resnet18(weights=None, num_classes=2),
    "timm resnet10t": timm.create_model("resnet10t", pretrained=False, num_classes=2),
}
print(f"torch {torch.__version__.partition('+')[0]}")
print(f"torchvision {torchvision.__version__.partition('+')[0]}")
print(f"timm {timm.__version__}")

# %%
# Train and explain both
# ----------------------

cohort = LesionCohort(subjects=240, size=96, radius=(4, 9), strength=0.6)
images, labels, masks = simulate_images(cohort, workers=1)
images = np.repeat(images, 3, axis=1)
train, test = torch.from_numpy(images).split([180, 60])

data = ImageDataset(images[:180], labels[:180])
patterns = {}
for name, model in models.items():
    train_classifier(model, data, epochs=10, batch_size=16)
    hr = HRCAM(model).fit(train.split(20), target="logits")
    explanation = hr.explain(test, classes=1)
    patterns[name] = explanation.pattern
    correct = explanation.model_logits.argmax(1).numpy() == labels[180:]
    print(f"\n{name}: test accuracy {correct.mean():.2f}, fidelity {hr.fidelity:.2f}")
    print(hr.levels)

# %%
# The maps
# --------
#
# Positions are followed through strides and padding, so the maps lie on what the network saw.

limits = {name: np.percentile(maps.abs().numpy(), 99) for name, maps in patterns.items()}
figure, panels = plt.subplots(3, 4, figsize=(9, 7), layout="constrained")
for column, index in zip(panels.T, (1, 3, 5, 2), strict=True):
    column[0].set_title("lesion" if labels[180 + index] else "no lesion")
    column[0].imshow(images[180 + index, 0], cmap="gray")
    for axes, (name, pattern) in zip(column[1:], patterns.items(), strict=True):
        values, limit = pattern[index].numpy(), limits[name]
        alpha = np.clip(np.abs(values) / limit, 0, 1)
        axes.imshow(images[180 + index, 0], cmap="gray")
        axes.imshow(values, cmap="managua_r", vmin=-limit, vmax=limit, alpha=alpha)
        axes.contour(masks[180 + index], [0.5], colors="lime", linewidths=1)
for axes in panels.flat:
    axes.set(xticks=[], yticks=[])
panels[0, 0].set_ylabel("image")
for axes, (name, limit) in zip(panels[1:, 0], limits.items(), strict=True):
    axes.set_ylabel(f"{name}\ncolours end at ±{limit:.2g} root SD")
figure.suptitle("Both networks look at the lesions (outlined)")
plt.show()

# %%
# .. only:: not torchvision
#
#    Printed:
#
#    .. literalinclude:: /images/recorded/torchvision-timm.txt
#       :language: none
#
#    .. image:: /images/recorded/torchvision-timm.jpg
#       :alt: Images, and over them the patterns of both networks with the true lesions
#
# Both networks use the lesions, and the torchvision network, after so few epochs, much of the brain
# as well. A map shows what a network uses, not everything that is there.
