"""The README's Python blocks, run one after the other as a reader would."""

import re
from pathlib import Path

import torch
from monai.networks.nets import resnet18

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_python_blocks_run():
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) >= 2
    torch.manual_seed(0)
    images = torch.randn(4, 3, 64, 64)
    names = {
        "model": resnet18(spatial_dims=2, n_input_channels=3, num_classes=3),
        "loader": [torch.randn(4, 3, 64, 64) for _ in range(3)],
        "images": images,
    }
    for block in blocks:
        exec(block, names)
    explanation = names["explanation"]
    assert explanation.pattern.shape == explanation.evidence.shape == (4, 64, 64)
    logits = explanation.logits.gather(1, explanation.classes[:, None])[:, 0]
    sums = explanation.evidence.mean((1, 2)) + explanation.bias
    torch.testing.assert_close(sums, logits, rtol=1e-4, atol=1e-5)
