"""Published memories, each written from its paper's equations: one head of one sequence, token by token.

Nothing here comes from the package under test. With `chunk` 1 a function is its paper's recurrence. In longer chunks it
is the approximation that the package states: gradients at the weights that stood when the chunk began, and whatever is
not linear done once, when the chunk ends; until then such a memory is read as the chunk found it.

Names are the papers'. Matrices are `[out, in]`, and a model of several takes and returns a list of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = list[Tensor]


@dataclass(frozen=True)
class Head:
    """What one head of one sequence sees.

    Attributes:
        q: queries, `[T, K]`; the keys k are shaped likewise, the values v `[T, V]`.
        lr: step sizes, `[T]`; momentum, decay (the share forgotten) and threshold are shaped likewise.
        number: which head, from 0.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    lr: Tensor
    momentum: Tensor
    decay: Tensor
    threshold: Tensor
    number: int


Model = Callable[[Head, Weights, int], tuple[Tensor, Weights]]
"""A head, initial weights and the chunk length to outputs `[T, V]` and final weights."""


def linear_attention(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """`S += k^T v`, `o = q S` with rows q, k, v (arXiv 2006.16236); the values here come times lr. Exact anyway."""
    s, outputs = weights[0].T, []
    for q, k, v in zip(x.q, x.k, x.lr[:, None] * x.v, strict=True):
        s = s + torch.outer(k, v)
        outputs.append(q @ s)
    return torch.stack(outputs), [s.T]


def linear_attention_parallel(x: Head) -> Tensor:
    """`(Q K^T masked) V`, of an empty memory."""
    return (x.q @ x.k.T).tril() @ (x.lr[:, None] * x.v)


def retnet(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """`S = gamma S + k^T v`, `o = q S` (arXiv 2307.08621, eq. 6), with the paper's gamma of each head. Exact anyway."""
    s, outputs, gamma = weights[0].T, [], 1 - 2.0 ** (-5 - x.number)
    for q, k, v in zip(x.q, x.k, x.lr[:, None] * x.v, strict=True):
        s = gamma * s + torch.outer(k, v)
        outputs.append(q @ s)
    return torch.stack(outputs), [s.T]


def retnet_parallel(x: Head) -> Tensor:
    """`(Q K^T * D) V` with `D[n, m] = gamma^(n - m)` for n >= m (eq. 5), of an empty memory."""
    n = torch.arange(len(x.q), dtype=x.q.dtype)
    decay = ((1 - 2.0 ** (-5 - x.number)) ** (n[:, None] - n)).tril()
    return (x.q @ x.k.T * decay) @ (x.lr[:, None] * x.v)


def gated_linear_attention(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """`S = alpha S + k^T v`, `o = q S` with a scalar alpha per token (Mamba-2, arXiv 2405.21060). Exact anyway."""
    s, outputs = weights[0].T, []
    for q, k, v, alpha in zip(x.q, x.k, x.lr[:, None] * x.v, 1 - x.decay, strict=True):
        s = alpha * s + torch.outer(k, v)
        outputs.append(q @ s)
    return torch.stack(outputs), [s.T]


def gated_linear_attention_parallel(x: Head) -> Tensor:
    """`(Q K^T * D) V` with `D[n, m] = alpha_{m+1} ... alpha_n`, of an empty memory."""
    length = len(x.q)
    decay = torch.stack(
        [torch.stack([(1 - x.decay[m + 1 : n + 1]).prod() for m in range(length)]) for n in range(length)]
    )
    return (x.q @ x.k.T * decay.tril()) @ (x.lr[:, None] * x.v)


def deltanet(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """`S = S (I - beta k k^T) + beta v k^T`, `o = S q` (arXiv 2406.06484)."""
    start, outputs = weights[0], []
    s = start
    for t, (q, k, v, beta) in enumerate(zip(x.q, x.k, x.v, x.lr, strict=True)):
        start = s if t % chunk == 0 else start
        s = s - start @ (beta * torch.outer(k, k)) + beta * torch.outer(v, k)
        outputs.append(s @ q)
    return torch.stack(outputs), [s]


def gated_deltanet(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """`S = S (alpha (I - beta k k^T)) + beta v k^T`, `o = S q` (arXiv 2412.06464, eq. 10).

    In a chunk the weights at which gradients are taken decay as well, by each token's alpha before its gradient.
    """
    start, outputs = weights[0], []
    s = start
    for t, (q, k, v, alpha, beta) in enumerate(zip(x.q, x.k, x.v, 1 - x.decay, x.lr, strict=True)):
        start = alpha * (s if t % chunk == 0 else start)
        s = alpha * s - start @ (beta * torch.outer(k, k)) + beta * torch.outer(v, k)
        outputs.append(s @ q)
    return torch.stack(outputs), [s]


def longhorn(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """`S = S (I - delta k k^T) + delta v k^T` with `delta = theta / (1 + theta k.k)` (arXiv 2407.14207)."""
    delta = x.lr / (1 + x.lr * (x.k * x.k).sum(-1))
    return deltanet(replace(x, lr=delta), weights, chunk)


def longhorn_implicit(x: Head, weights: Weights) -> Weights:
    """The same final weights as Longhorn defines them: `S = argmin |S - S_{t-1}|^2 + theta |S k - v|^2`."""
    (s,) = weights
    for k, v, theta in zip(x.k, x.v, x.lr, strict=True):
        normal = torch.eye(len(k), dtype=k.dtype) + theta * torch.outer(k, k)
        s = torch.linalg.solve(normal, s + theta * torch.outer(v, k), left=False)
    return [s]


def matrix(weights: Weights, x: Tensor) -> Tensor:
    """`W x`."""
    return weights[0] @ x


def perceptron(weights: Weights, x: Tensor) -> Tensor:
    """`x + LN(W x)` or `x + LN(W_2 gelu(W_1 x))`; the LayerNorm has no scale and shift, and an eps of 1e-5."""
    y = weights[0] @ x
    for w in weights[1:]:
        y = w @ F.gelu(y)
    return x + (y - y.mean()) / (y.var(correction=0) + 1e-5).sqrt()


def half_square(r: Tensor) -> Tensor:
    """`1/2 |r|^2`."""
    return 0.5 * (r * r).sum()


def gradients(loss: Tensor, weights: Weights) -> Weights:
    """Differentiate a loss such that the gradients can be differentiated again."""
    return list(torch.autograd.grad(loss, weights, create_graph=True))


def ttt(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """`W = W - eta grad l(W; k, v)`, `z = f(q; W)` (arXiv 2407.04620); f is one matrix, or a network of two."""
    start, outputs = weights, []
    for t, eta in enumerate(x.lr):
        start = weights if t % chunk == 0 else start
        u = gradients(half_square(perceptron(start, x.k[t]) - x.v[t]), start)
        weights = [w - eta * g for w, g in zip(weights, u, strict=True)]
        outputs.append(perceptron(weights, x.q[t]))
    return torch.stack(outputs), weights


def _titans(
    memory: Callable[[Weights, Tensor], Tensor], x: Head, weights: Weights, chunk: int
) -> tuple[Tensor, Weights]:
    surprise, start, outputs = [torch.zeros_like(w) for w in weights], weights, []
    for t, (theta, eta, alpha) in enumerate(zip(x.lr, x.momentum, x.decay, strict=True)):
        start = weights if t % chunk == 0 else start
        u = gradients(half_square(memory(start, x.k[t]) - x.v[t]), start)
        surprise = [eta * s - theta * g for s, g in zip(surprise, u, strict=True)]
        weights = [(1 - alpha) * w + s for w, s in zip(weights, surprise, strict=True)]
        outputs.append(memory(weights, x.q[t]))
    return torch.stack(outputs), weights


def titans(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """`S = eta S - theta grad l(M)`, `M = (1 - alpha) M + S`, `y = M(q)` (arXiv 2501.00663, eq. 13-15), M deep."""
    return _titans(perceptron, x, weights, chunk)


def titans_linear(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """Titans with `M(k) = W k`."""
    return _titans(matrix, x, weights, chunk)


def _over_l4(a: Tensor) -> Tensor:
    """`A / |A|_4^2`, guarded at zero by 1e-30 in the sum of powers."""
    return a / ((a**4).sum() + 1e-30).sqrt()


def moneta(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """`A = alpha A - eta grad |M(k) - v|_3^3`, `W = A / |A|_4^2` (arXiv 2504.13173, eq. 24-25).

    |r| is smoothed as `sqrt(r^2 + 1e-6)`. A starts where W is the initial weights: at `W / |W|_4^2`.
    """
    accumulated, start, outputs = [_over_l4(w) for w in weights], weights, []
    for t, (eta, alpha) in enumerate(zip(x.lr, 1 - x.decay, strict=True)):
        start = [_over_l4(a) for a in accumulated] if t % chunk == 0 else start
        r = perceptron(start, x.k[t]) - x.v[t]
        u = gradients(((r * r + 1e-6).sqrt() ** 3).sum(), start)
        accumulated = [alpha * a - eta * g for a, g in zip(accumulated, u, strict=True)]
        read = start if (t + 1) % chunk else [_over_l4(a) for a in accumulated]
        outputs.append(perceptron(read, x.q[t]))
    return torch.stack(outputs), [_over_l4(a) for a in accumulated]


def yaad(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """`W = alpha W - eta (grad l_2 if |M(k) - v| <= delta, else delta grad l_1)` (arXiv 2504.13173, eq. 26)."""
    start, outputs = weights, []
    for t, (eta, alpha, delta) in enumerate(zip(x.lr, 1 - x.decay, x.threshold, strict=True)):
        start = weights if t % chunk == 0 else start
        r = perceptron(start, x.k[t]) - x.v[t]
        if r.norm() <= delta:
            u = gradients(half_square(r), start)
        else:
            u = [delta * g for g in gradients((r * r + 1e-6).sqrt().sum(), start)]
        weights = [alpha * w - eta * g for w, g in zip(weights, u, strict=True)]
        outputs.append(perceptron(weights, x.q[t]))
    return torch.stack(outputs), weights


def _positive(logits: Tensor) -> Tensor:
    """`c softmax` of every row, with the c that makes the mean of a row 1."""
    return logits.shape[1] * logits.softmax(1)


def memora(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """`W = c softmax(alpha log W - eta grad l_2(W))` (arXiv 2504.13173, eq. 27), each row a slice.

    Drawn weights of any sign, scaled to variance 1 (guarded at zero by 1e-12), are the logits of the first.
    """
    start = weights = [_positive(w / ((w * w).mean() + 1e-12).sqrt()) for w in weights]
    logs, outputs = [w.log() for w in weights], []
    for t, (eta, alpha) in enumerate(zip(x.lr, 1 - x.decay, strict=True)):
        if t % chunk == 0:
            start, logs = weights, [w.log() for w in weights]
        u = gradients(half_square(perceptron(start, x.k[t]) - x.v[t]), start)
        logs = [alpha * a - eta * g for a, g in zip(logs, u, strict=True)]
        weights = [_positive(a) for a in logs]
        outputs.append(perceptron(start if (t + 1) % chunk else weights, x.q[t]))
    return torch.stack(outputs), weights


def newton_schulz(x: Tensor) -> Tensor:
    """Five steps of Muon's quintic iteration on `x / |x|_F`, on the side on which `x x^T` is smaller.

    Guarded at zero by 1e-14 in the sum of squares; but for that the size of x is forgotten.
    """
    if x.shape[0] > x.shape[1]:
        return newton_schulz(x.T).T
    a, b, c = 3.4445, -4.7750, 2.0315
    x = x / ((x * x).sum() + 1e-14).sqrt()
    for _ in range(5):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x


def atlas(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """`S = theta S + grad sum_{i > t-4} l(M; k_i, v_i)`, `M = alpha M - eta NS5(S)` (arXiv 2505.23735), gamma_i = 1.

    One orthogonalised step a chunk, with its last token's eta.
    """
    momentum, start, outputs = [torch.zeros_like(w) for w in weights], weights, []
    for t, (eta, theta, alpha) in enumerate(zip(x.lr, x.momentum, 1 - x.decay, strict=True)):
        start = weights if t % chunk == 0 else start
        window = range(max(0, t - 3), t + 1)
        loss = torch.stack([half_square(perceptron(start, x.k[i]) - x.v[i]) for i in window]).sum()
        momentum = [theta * s + g for s, g in zip(momentum, gradients(loss, start), strict=True)]
        weights = [alpha * w for w in weights]
        if (t + 1) % chunk == 0:
            weights = [w - eta * newton_schulz(s) for w, s in zip(weights, momentum, strict=True)]
        outputs.append(perceptron(start if (t + 1) % chunk else weights, x.q[t]))
    return torch.stack(outputs), weights


def _row_lengths(w: Tensor) -> Tensor:
    """Lengths of the rows, guarded at zero by 1e-12 in the sum of squares."""
    return ((w * w).sum(1, keepdim=True) + 1e-12).sqrt()


def lact(x: Head, weights: Weights, chunk: int) -> tuple[Tensor, Weights]:
    """Apply, then update (arXiv 2505.23884): `W_i = rownorm(W_i + NS5(-sum_t eta_t grad_{W_i} l_t))`.

    `f(x) = W_2 (silu(W_1 x) * (W_3 x))` and `l = -f(k) . v`, with all of a chunk's gradients at its first weights; rows
    get their old lengths back, and so keep those they were born with. W_1 and W_3 come stacked.
    """

    def f(fast: Weights, x: Tensor) -> Tensor:
        w1, w3, w2 = fast
        return w2 @ (F.silu(w1 @ x) * (w3 @ x))

    fast = [*weights[0].tensor_split(2), weights[1]]
    outputs = []
    for first in range(0, len(x.q), chunk):
        tokens = range(first, min(first + chunk, len(x.q)))
        outputs += [f(fast, x.q[t]) for t in tokens]
        if len(tokens) == chunk:
            loss = torch.stack([-x.lr[t] * (f(fast, x.k[t]) @ x.v[t]) for t in tokens]).sum()
            stepped = [w + newton_schulz(-g) for w, g in zip(fast, gradients(loss, fast), strict=True)]
            fast = [w * _row_lengths(old) / _row_lengths(w) for w, old in zip(stepped, fast, strict=True)]
    return torch.stack(outputs), [torch.cat(fast[:2]), fast[2]]


MODELS: dict[str, Model] = {
    "linear_attention": linear_attention,
    "retnet": retnet,
    "gated_linear_attention": gated_linear_attention,
    "deltanet": deltanet,
    "gated_deltanet": gated_deltanet,
    "longhorn": longhorn,
    "ttt_linear": ttt,
    "ttt_mlp": ttt,
    "titans": titans,
    "titans_linear": titans_linear,
    "moneta": moneta,
    "yaad": yaad,
    "memora": memora,
    "atlas": atlas,
    "lact": lact,
}
