"""
A 3D network
============

Volumes work as slices do: the same calls, with one axis more. The maps have the voxels of the
volume, so they go back to the scanner's space with the volume's own affine.
"""

# %%
# Volumes and a 3D CNN
# --------------------
#
# 60 simulated volumes of 40 × 40 × 40 voxels, half of them with lesions; the last 12 are kept for
# testing.

import matplotlib.pyplot as plt
import nibabel
import numpy as np
import torch

from hrcam import HRCAM
from hrcam.networks import SmallCNN
from hrcam.simulate import LesionCohort, simulate_images, simulate_subject
from hrcam.training.classifier import train_classifier
from hrcam.training.images import ImageDataset

cohort = LesionCohort(dimensions=3, subjects=60, size=40, radius=(3, 6), strength=0.6)
images, labels, masks = simulate_images(cohort, workers=1)
torch.manual_seed(0)
model = SmallCNN(dimensions=3, in_channels=1, classes=2, widths=(8, 16, 32))
data = ImageDataset(images[:48], labels[:48])
train_classifier(model, data, epochs=12, batch_size=8, learning_rate=4e-3)

# %%
# Fit and explain
# ---------------
#
# Small batches keep the memory small: a volume of features is large.

images = torch.from_numpy(images)
hr = HRCAM(model).fit(images[:48].split(4), target="logits")
explanation = hr.explain(images[48:], classes=1)

print(hr.levels)
correct = explanation.model_logits.argmax(1).numpy() == labels[48:]
print(f"{correct.sum()} of 12 test volumes are classified correctly")

# %%
# Three planes through the strongest place
# ----------------------------------------
#
# Where the size of the pattern is largest is where to look first. Here that place is in a lesion
# (outlined), although the network knew only which volumes have one.

index = masks[48:].sum((1, 2, 3)).argmax()  # the test volume with the most lesion
volume, truth = images[48 + index, 0].numpy(), masks[48 + index]
pattern = explanation.pattern[index].numpy()
place = np.unravel_index(np.abs(pattern).argmax(), pattern.shape)
limit = np.percentile(explanation.pattern.abs().numpy(), 99)  # of all test volumes

figure, panels = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
planes = ("sagittal", "coronal", "axial")
for axis, (axes, name) in enumerate(zip(panels, planes, strict=True)):
    image, values, outline = (
        np.take(array, place[axis], axis).T for array in (volume, pattern, truth)
    )
    alpha = np.clip(np.abs(values) / limit, 0, 1)
    axes.imshow(image, cmap="gray", origin="lower")
    colours = axes.imshow(
        values, cmap="managua_r", vmin=-limit, vmax=limit, alpha=alpha, origin="lower"
    )
    axes.contour(outline, [0.5], colors="lime", linewidths=1)
    axes.set_title(f"{name}, voxel {place[axis]}")
    axes.axis("off")
figure.colorbar(colours, ax=panels, label="root SD")
figure.suptitle("The pattern peaks in the lesion, in all three planes")
plt.show()

# %%
# Save it as NIfTI
# ----------------
#
# With the affine of the volume, any viewer lays the map over the scan.

affine = simulate_subject(cohort, 48 + index).affine
nifti = nibabel.Nifti1Image(pattern, affine)
print(nifti.shape, nibabel.affines.voxel_sizes(nifti.affine))

# %%
# ``nifti.to_filename("pattern.nii.gz")`` writes it. The command :doc:`/commands/map` does all of
# this for a folder of scans of any shape. The map says where the network found what tells the
# classes apart. It does not say how large a lesion is, and hardly marks the second one here.
