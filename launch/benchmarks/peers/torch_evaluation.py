"""Evaluation as the published code does it: one member after another, the prefix read again."""

import torch

from launch.benchmarks.peers.torch_model import Net
from launch.benchmarks.peers.torch_runs import find_device
from launch.benchmarks.setups import Setup
from launch.benchmarks.timing import Case


def evaluate_in_torch(setup: Setup, prompts_NxP: object) -> Case:
    """Time one member: its loss on the whole support, its completions, and which keep R1 and R2."""
    device, wait = find_device()
    net = Net(setup).to(device).eval()
    words = setup.language.vocabulary
    support = torch.as_tensor(setup.padded_BxT, device=device)
    prompts = torch.as_tensor(prompts_NxP, dtype=torch.int64, device=device)

    @torch.no_grad()
    def call() -> tuple[float, int, int]:
        log_p = net(support[:, :-1]).log_softmax(-1)
        per_token = log_p.gather(-1, support[:, 1:, None])[..., 0]
        loss = -(per_token * (support[:, 1:] != words.pad)).sum(-1).mean().item()
        texts = [words.decode(row) for row in _complete(net, prompts, setup).tolist()]
        equal = sum(text.count("a") == text.count("b") for text in texts)
        ordered = sum(text == "".join(sorted(text)) for text in texts)
        wait()
        return loss, equal, ordered

    return Case("PyTorch, member by member", call, 1, {"members": 1, "prompts": len(prompts)})


def _complete(net: Net, prompts_NxP: torch.Tensor, setup: Setup) -> torch.Tensor:
    """Continue greedily until every row has ended or is as long as it may be."""
    words, length = setup.language.vocabulary, setup.member.max_length + 2
    tokens, ended = prompts_NxP, torch.zeros(len(prompts_NxP), dtype=torch.bool)
    ended = ended.to(prompts_NxP.device)
    while tokens.shape[1] < length and not ended.all():
        logits = net(tokens)[:, -1]
        logits[:, [words.bos, words.pad]] = -torch.inf
        chosen = torch.where(ended, words.pad, logits.argmax(-1))
        ended |= chosen == words.eos
        tokens = torch.cat([tokens, chosen[:, None]], 1)
    return tokens
