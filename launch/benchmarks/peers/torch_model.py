"""The published models' shape in PyTorch: an encoder under a causal mask, on padded batches.

Imported only where torch is installed.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from launch.benchmarks.setups import Setup


class Net(nn.Module):
    """Embedding, sinusoids, nn.TransformerEncoder with a causal mask, and a linear head."""

    def __init__(self, setup: Setup) -> None:
        """Take the sizes from the configuration."""
        super().__init__()
        options, length = setup.model.options(), setup.member.max_length + 2
        size, width = setup.language.vocabulary.size, options["d_model"]
        layer = nn.TransformerEncoderLayer(
            width,
            options["heads"],
            options["ff"],
            setup.member.dropout,
            layer_norm_eps=options["epsilon"],
            batch_first=True,
            norm_first=options["norm"] == "pre",
        )
        last = nn.LayerNorm(width) if options["norm"] == "pre" else None
        self.embed = nn.Embedding(size, width)
        self.drop = nn.Dropout(setup.member.dropout)
        self.encoder = nn.TransformerEncoder(
            layer, options["layers"], norm=last, enable_nested_tensor=False
        )
        self.head = nn.Linear(width, size)
        self.scale = math.sqrt(width)
        self.register_buffer("positions", _sinusoids(length, width), persistent=False)
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Give logits at every position."""
        t = tokens.shape[1]
        x = self.drop(self.embed(tokens) * self.scale + self.positions[:t])
        return self.head(self.encoder(x, mask=self.mask[:t, :t], is_causal=True))


def loss_of(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Average cross entropy over all positions, PAD included, as the published code does."""
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))


def make_optimizer(setup: Setup, parameters: object) -> torch.optim.Optimizer:
    """Make AdamW with the member's numbers."""
    member = setup.member
    betas = member.beta1, member.beta2
    return torch.optim.AdamW(
        parameters, lr=member.learning_rate, betas=betas, weight_decay=member.weight_decay
    )


def _sinusoids(length: int, width: int) -> torch.Tensor:
    position = torch.arange(length)[:, None]
    rate = torch.exp(-math.log(10_000.0) * torch.arange(0, width, 2) / width)
    angle = position * rate
    return torch.stack([angle.sin(), angle.cos()], -1).reshape(length, width)
