"""Write golden.npz: weights, inputs and outputs of implementations that people trust.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install torch==2.13.0 xlstm==2.0.6
    /tmp/golden/bin/python tests/models/make_golden.py

It needs neither jax nor identjax. Each case is an entry `case/name`; the tests map the weights.
"""

import math
import pathlib

import numpy as np
import torch
from torch import nn

VOCABULARY, WIDTH, HIDDEN, ROWS, LENGTH = 5, 8, 12, 2, 16


def keep(case: str, arrays: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {f"{case}/{k}": v.detach().double().numpy() for k, v in arrays.items()}


def draw_tokens() -> torch.Tensor:
    tokens = torch.randint(0, 3, (ROWS, LENGTH))
    tokens[:, 0] = 3  # BOS of a vocabulary of two symbols
    return tokens


def disturb(module: nn.Module) -> None:
    """Move every weight, so that no bias is hidden by being 0 and no scale by being 1."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.randn_like(p))


def run_recurrent(kind: type[nn.RNNBase]) -> dict[str, np.ndarray]:
    embed, head = nn.Embedding(VOCABULARY, WIDTH), nn.Linear(HIDDEN, VOCABULARY)
    layers = kind(WIDTH, HIDDEN, num_layers=2, batch_first=True).double()
    embed, head, tokens = embed.double(), head.double(), draw_tokens()
    logits = head(layers(embed(tokens))[0])
    weights = {f"embed.{k}": v for k, v in embed.state_dict().items()}
    weights |= {f"layers.{k}": v for k, v in layers.state_dict().items()}
    weights |= {f"head.{k}": v for k, v in head.state_dict().items()}
    return keep(kind.__name__, {**weights, "tokens": tokens, "logits": logits})


def run_transformer(pre: bool) -> dict[str, np.ndarray]:
    layer = nn.TransformerEncoderLayer(
        WIDTH, 2, HIDDEN, dropout=0.0, layer_norm_eps=6e-3, batch_first=True, norm_first=pre
    )
    last = nn.LayerNorm(WIDTH, eps=6e-3) if pre else None
    net = nn.ModuleDict(
        {
            "embed": nn.Embedding(VOCABULARY, WIDTH),
            "encoder": nn.TransformerEncoder(layer, 2, last, enable_nested_tensor=False),
            "head": nn.Linear(WIDTH, VOCABULARY),
        }
    ).double()
    disturb(net)
    tokens = draw_tokens()
    mask = nn.Transformer.generate_square_subsequent_mask(LENGTH, dtype=torch.float64)
    x = net["embed"](tokens) * math.sqrt(WIDTH)
    logits = net["head"](net["encoder"](x, mask=mask, is_causal=True))
    case = "TransformerPre" if pre else "TransformerPost"
    return keep(case, {**net.state_dict(), "tokens": tokens, "logits": logits})


def run_mlstm() -> dict[str, np.ndarray]:
    from xlstm.blocks.mlstm.backends import parallel_stabilized_simple

    heads, width = 2, 4
    q, k, v = (torch.randn(ROWS, heads, LENGTH, width, dtype=torch.float64) for _ in range(3))
    i, f = (2 * torch.randn(ROWS, heads, LENGTH, 1, dtype=torch.float64) for _ in range(2))
    h = parallel_stabilized_simple(q, k, v, i, f, eps=0.0)
    return keep("mLSTM", {"q": q, "k": k, "v": v, "i": i, "f": f, "h": h})


def run_slstm() -> dict[str, np.ndarray]:
    from xlstm.blocks.slstm.cell import sLSTMCell_vanilla, sLSTMCellConfig

    config = sLSTMCellConfig(hidden_size=8, num_heads=2, backend="vanilla", dtype="float32")
    cell = sLSTMCell_vanilla(config).double()
    disturb(cell)
    inputs = torch.randn(ROWS, LENGTH, 4 * 8, dtype=torch.float64)
    h, _ = cell(inputs)
    recurrent = cell._recurrent_kernel_int2ext(cell._recurrent_kernel.data)
    bias = cell._bias_int2ext(cell._bias.data)
    return keep("sLSTM", {"inputs": inputs, "h": h, "recurrent": recurrent, "bias": bias})


def run_mamba() -> dict[str, np.ndarray]:
    """Mamba's mixer position by position in float64, from its definition."""
    d, inner, states, rank, width = 8, 16, 4, 1, 4
    draw = np.random.default_rng(0)
    sizes = {
        "enter": (d, 2 * inner),
        "conv": (width, inner),
        "conv_bias": (inner,),
        "select": (inner, rank + 2 * states),
        "delta": (rank, inner),
        "delta_bias": (inner,),
        "log_a": (inner, states),
        "skip": (inner,),
        "out": (inner, d),
    }
    w = {name: 0.5 * draw.normal(size=size) for name, size in sizes.items()}
    u = draw.normal(size=(ROWS, LENGTH, d))
    y = np.zeros_like(u)

    def silu(x: np.ndarray) -> np.ndarray:
        return x / (1 + np.exp(-x))

    for row in range(ROWS):
        h, window = np.zeros((inner, states)), np.zeros((width, inner))
        for t in range(LENGTH):
            x, z = np.split(u[row, t] @ w["enter"], 2)
            window = np.concatenate([window[1:], x[None]])
            x = silu((window * w["conv"]).sum(0) + w["conv_bias"])
            low, b, c = np.split(x @ w["select"], [rank, rank + states])
            delta = np.log1p(np.exp(low @ w["delta"] + w["delta_bias"]))
            for i in range(inner):
                for n in range(states):
                    decay = math.exp(-delta[i] * math.exp(w["log_a"][i, n]))
                    h[i, n] = decay * h[i, n] + delta[i] * b[n] * x[i]
            y[row, t] = ((h @ c + w["skip"] * x) * silu(z)) @ w["out"]
    return {f"Mamba/{k}": v for k, v in {**w, "inputs": u, "outputs": y}.items()}


def main() -> None:
    torch.manual_seed(0)
    found = {}
    for kind in (nn.RNN, nn.GRU, nn.LSTM):
        found |= run_recurrent(kind)
    for pre in (False, True):
        found |= run_transformer(pre)
    found |= run_mlstm() | run_slstm() | run_mamba()
    path = pathlib.Path(__file__).with_name("golden.npz")
    np.savez_compressed(path, **{k: v.astype(np.float32) for k, v in found.items()})
    print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
