"""Makes the golden values that Apus's models are compared with.

    python make_fixtures.py        (needs torch and safetensors; writes beside itself)

The tests read only the `.safetensors` files; this script says how they came to be. It is an implementation of both
architectures of its own: plain tensor operations after the papers, no module of torch.nn, gradients by torch.autograd,
AdamW written out. Everything is computed in float64 from weights that were rounded to float32 first, and stored as
float32, so that the error of the fixture is far below the tolerance of the tests (relative error 1e-4).

A file holds, for a batch of 2 sequences of 16 random tokens (row = sequence * 16 + position):

    tokens, targets           int32 [2, 16]
    weights/<parameter>       float32, [outputs, inputs] for matrices
    logits                    float32 [32, vocabulary]
    loss                      float32 [1], mean cross-entropy over the 32 tokens
    gradients/<parameter>     float32, of that loss
    gradientNorm              float32 [1], over all gradients before clipping
    losses                    float32 [10], losses before each of ten AdamW updates on the same batch; losses[0] == loss

AdamW: learning rate 1e-3, betas 0.9 and 0.95, epsilon 1e-8, gradients scaled to a global norm of at most 1, weight
decay 0.1 on matrices and the token embedding, none on positions, norms and biases.
"""

import math
import pathlib

import torch
from safetensors.torch import save_file

BATCH, CONTEXT, WIDTH, HEADS, LAYERS = 2, 16, 32, 4, 2
HEAD_SIZE = WIDTH // HEADS
EPSILON = 1e-5

LEARNING_RATE, BETA1, BETA2, ADAM_EPSILON, WEIGHT_DECAY, MAXIMUM_NORM = 1e-3, 0.9, 0.95, 1e-8, 0.1, 1.0


# Weights: name -> (shape, kind). Matrices and tables are normal with mean 0, norms near 1, biases near 0.


def gpt2_parameters(vocabulary):
    shapes = {
        "embedding.weight": ((vocabulary, WIDTH), "matrix"),
        "positions.weight": ((CONTEXT, WIDTH), "positions"),
    }
    for layer in range(LAYERS):
        block = f"blocks.{layer}"
        for norm in ("attentionNorm", "feedForwardNorm"):
            shapes[f"{block}.{norm}.weight"] = ((WIDTH,), "norm")
            shapes[f"{block}.{norm}.bias"] = ((WIDTH,), "bias")
        for name in ("query", "key", "value", "output"):
            shapes[f"{block}.attention.{name}.weight"] = ((WIDTH, WIDTH), "matrix")
            shapes[f"{block}.attention.{name}.bias"] = ((WIDTH,), "bias")
        shapes[f"{block}.feedForward.up.weight"] = ((4 * WIDTH, WIDTH), "matrix")
        shapes[f"{block}.feedForward.up.bias"] = ((4 * WIDTH,), "bias")
        shapes[f"{block}.feedForward.down.weight"] = ((WIDTH, 4 * WIDTH), "matrix")
        shapes[f"{block}.feedForward.down.bias"] = ((WIDTH,), "bias")
    shapes["finalNorm.weight"] = ((WIDTH,), "norm")
    shapes["finalNorm.bias"] = ((WIDTH,), "bias")
    return shapes


def llama_parameters(vocabulary, key_value_heads, feed_forward):
    shapes = {"embedding.weight": ((vocabulary, WIDTH), "matrix")}
    for layer in range(LAYERS):
        block = f"blocks.{layer}"
        shapes[f"{block}.attentionNorm.weight"] = ((WIDTH,), "norm")
        shapes[f"{block}.feedForwardNorm.weight"] = ((WIDTH,), "norm")
        shapes[f"{block}.attention.query.weight"] = ((WIDTH, WIDTH), "matrix")
        shapes[f"{block}.attention.key.weight"] = ((key_value_heads * HEAD_SIZE, WIDTH), "matrix")
        shapes[f"{block}.attention.value.weight"] = ((key_value_heads * HEAD_SIZE, WIDTH), "matrix")
        shapes[f"{block}.attention.output.weight"] = ((WIDTH, WIDTH), "matrix")
        shapes[f"{block}.feedForward.gate.weight"] = ((feed_forward, WIDTH), "matrix")
        shapes[f"{block}.feedForward.up.weight"] = ((feed_forward, WIDTH), "matrix")
        shapes[f"{block}.feedForward.down.weight"] = ((WIDTH, feed_forward), "matrix")
    shapes["finalNorm.weight"] = ((WIDTH,), "norm")
    shapes["head.weight"] = ((vocabulary, WIDTH), "matrix")
    return shapes


def draw_weights(shapes, generator, deviation):
    weights = {}
    for name, (shape, kind) in shapes.items():
        noise = torch.randn(shape, generator=generator, dtype=torch.float32)
        weights[name] = 1 + 0.1 * noise if kind == "norm" else deviation * noise
    return weights


# Shared arithmetic. B sequences, T positions, C channels, H heads, D channels of a head.


def attend(query, key, value):
    """Causal softmax(q k^T / sqrt(D)) v. query [B, H, T, D], key and value the same."""
    length = query.shape[2]
    scores = torch.matmul(query, key.transpose(2, 3)) / math.sqrt(query.shape[3])
    future = torch.arange(length)[None, :] > torch.arange(length)[:, None]
    scores = scores.masked_fill(future, float("-inf"))
    exponentials = torch.exp(scores - scores.max(dim=3, keepdim=True).values)
    return torch.matmul(exponentials / exponentials.sum(dim=3, keepdim=True), value)


def split_heads(x, heads):
    """[B, T, heads * D] -> [B, heads, T, D]"""
    return x.reshape(x.shape[0], x.shape[1], heads, HEAD_SIZE).transpose(1, 2)


def merge_heads(x):
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1)


def cross_entropy(logits, targets):
    """Mean of -log softmax(logits)[target]. logits [B, T, V]."""
    shifted = logits - logits.max(dim=2, keepdim=True).values
    log_sums = torch.log(torch.exp(shifted).sum(dim=2))
    return (log_sums - shifted.gather(2, targets[:, :, None])[:, :, 0]).mean()


# GPT-2: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".


def gpt2_logits(weights, tokens):
    def linear(x, name):
        return torch.matmul(x, weights[f"{name}.weight"].T) + weights[f"{name}.bias"]

    def layer_norm(x, name):
        centered = x - x.mean(dim=2, keepdim=True)
        variance = (centered * centered).mean(dim=2, keepdim=True)
        return centered / torch.sqrt(variance + EPSILON) * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def gelu(x):
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))

    x = weights["embedding.weight"][tokens] + weights["positions.weight"][: tokens.shape[1]]
    for layer in range(LAYERS):
        block = f"blocks.{layer}"
        normed = layer_norm(x, f"{block}.attentionNorm")
        query, key, value = (
            split_heads(linear(normed, f"{block}.attention.{name}"), HEADS) for name in ("query", "key", "value")
        )
        x = x + linear(merge_heads(attend(query, key, value)), f"{block}.attention.output")
        normed = layer_norm(x, f"{block}.feedForwardNorm")
        x = x + linear(gelu(linear(normed, f"{block}.feedForward.up")), f"{block}.feedForward.down")
    return torch.matmul(layer_norm(x, "finalNorm"), weights["embedding.weight"].T)


# Llama: Touvron et al. 2023; RoPE in the half-rotating layout of the published weights; grouped-query attention.


def llama_logits(weights, tokens, key_value_heads):
    def linear(x, name):
        return torch.matmul(x, weights[f"{name}.weight"].T)

    def rms_norm(x, name):
        return x / torch.sqrt((x * x).mean(dim=2, keepdim=True) + EPSILON) * weights[f"{name}.weight"]

    def rotate(x):
        """Turns the pair (channel i, channel i + D/2) at position t by t * 10000^(-2i/D)."""
        half = HEAD_SIZE // 2
        frequencies = 10000.0 ** (-2 * torch.arange(half, dtype=torch.float64) / HEAD_SIZE)
        angles = torch.arange(x.shape[2], dtype=torch.float64)[:, None] * frequencies[None, :]
        first, second = x[..., :half], x[..., half:]
        cosine, sine = torch.cos(angles), torch.sin(angles)
        return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=3)

    x = weights["embedding.weight"][tokens]
    for layer in range(LAYERS):
        block = f"blocks.{layer}"
        normed = rms_norm(x, f"{block}.attentionNorm")
        query = rotate(split_heads(linear(normed, f"{block}.attention.query"), HEADS))
        key = rotate(split_heads(linear(normed, f"{block}.attention.key"), key_value_heads))
        value = split_heads(linear(normed, f"{block}.attention.value"), key_value_heads)
        # Query head h reads key/value head h // group.
        group = HEADS // key_value_heads
        key, value = key.repeat_interleave(group, dim=1), value.repeat_interleave(group, dim=1)
        x = x + linear(merge_heads(attend(query, key, value)), f"{block}.attention.output")
        normed = rms_norm(x, f"{block}.feedForwardNorm")
        gate, up = linear(normed, f"{block}.feedForward.gate"), linear(normed, f"{block}.feedForward.up")
        x = x + linear(gate * torch.sigmoid(gate) * up, f"{block}.feedForward.down")
    return linear(rms_norm(x, "finalNorm"), "head")


# Training


def loss_and_gradients(logits_of, weights, tokens, targets):
    leaves = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    logits = logits_of(leaves, tokens)
    loss = cross_entropy(logits, targets)
    loss.backward()
    return logits.detach(), loss.item(), {name: leaf.grad for name, leaf in leaves.items()}


def global_norm(gradients):
    return math.sqrt(sum((gradient * gradient).sum().item() for gradient in gradients.values()))


def train(logits_of, weights, kinds, tokens, targets, steps):
    weights = {name: weight.clone() for name, weight in weights.items()}
    first = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    second = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    losses, norms = [], []
    for step in range(1, steps + 1):
        _, loss, gradients = loss_and_gradients(logits_of, weights, tokens, targets)
        losses.append(loss)
        norms.append(global_norm(gradients))
        scale = min(1.0, MAXIMUM_NORM / norms[-1])
        for name, weight in weights.items():
            gradient = gradients[name] * scale
            first[name] = BETA1 * first[name] + (1 - BETA1) * gradient
            second[name] = BETA2 * second[name] + (1 - BETA2) * gradient * gradient
            mean = first[name] / (1 - BETA1**step)
            square = second[name] / (1 - BETA2**step)
            decay = WEIGHT_DECAY if kinds[name] == "matrix" else 0.0
            update = mean / (torch.sqrt(square) + ADAM_EPSILON) + decay * weight
            weights[name] = weight - LEARNING_RATE * update
    return losses, norms


def make(file_name, shapes, logits_of, vocabulary, seed, deviation):
    generator = torch.Generator().manual_seed(seed)
    stored = draw_weights(shapes, generator, deviation)
    weights = {name: weight.double() for name, weight in stored.items()}
    kinds = {name: kind for name, (_, kind) in shapes.items()}
    tokens = torch.randint(vocabulary, (BATCH, CONTEXT), generator=generator)
    targets = torch.randint(vocabulary, (BATCH, CONTEXT), generator=generator)

    logits, loss, gradients = loss_and_gradients(logits_of, weights, tokens, targets)
    losses, norms = train(logits_of, weights, kinds, tokens, targets, steps=10)
    print(file_name, "losses", [f"{value:.5f}" for value in losses], "norms", [f"{value:.3f}" for value in norms])

    tensors = {
        "tokens": tokens.int(),
        "targets": targets.int(),
        "logits": logits.reshape(BATCH * CONTEXT, vocabulary).float(),
        "loss": torch.tensor([loss], dtype=torch.float32),
        "gradientNorm": torch.tensor([global_norm(gradients)], dtype=torch.float32),
        "losses": torch.tensor(losses, dtype=torch.float32),
    }
    tensors |= {f"weights/{name}": weight for name, weight in stored.items()}
    tensors |= {f"gradients/{name}": gradient.float() for name, gradient in gradients.items()}
    path = pathlib.Path(__file__).parent / file_name
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    print(f"{path}: {path.stat().st_size} bytes, {len(tensors)} tensors")


if __name__ == "__main__":
    vocabulary = 61
    make("gpt2.safetensors", gpt2_parameters(vocabulary), gpt2_logits, vocabulary, seed=1, deviation=0.05)
    vocabulary, key_value_heads = 67, 2
    make(
        "llama.safetensors",
        llama_parameters(vocabulary, key_value_heads, feed_forward=48),
        lambda weights, tokens: llama_logits(weights, tokens, key_value_heads),
        vocabulary,
        seed=2,
        deviation=0.05,
    )
