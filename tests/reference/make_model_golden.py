#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Numbers from PyTorch that the sequence model must reproduce: tests/data/model_golden_*.

An implementation of its own of the formulas in src/model/model.h and src/learn/loss.h, in
float64 with autograd. Run by hand from the project's root (needs python3-torch) when the
formulas change; the tests only read what it wrote:

    /usr/bin/python3 tests/reference/make_model_golden.py

A file is a row of records: name (40 bytes, zero filled), rows, cols (uint32 little-endian),
then rows x cols float32. `param.X` is tensor X, `grad.LOSS.X` its gradient, `after.X` its
value after STEPS steps of AdamW on the full softmax.
"""
import math
import pathlib
import struct

import numpy
import torch

F64 = torch.float64
BUCKETS = 64
NONE = 0xFFFFFFFF
STEPS, RATE, DECAY = 10, 0.01, 0.1
NEGATIVES, SEED = 24, 9

BASE = dict(dim=12, blocks=2, heads=2, max_length=48, ffn_dim=0, attention=0, gated=0,
            bias_position=0, bias_time=0, position=0, gap=0, normalise=0, temperature=1.0,
            n_items=33, n_attributes=0, n_types=0)
CONFIGS = {
    'sasrec': dict(BASE, ffn_dim=20, position=1),
    'hstu': dict(BASE, dim=8, attention=1, gated=1, bias_position=1, bias_time=1, position=1,
                 gap=1),
    'cosine': dict(BASE, dim=16, heads=4, blocks=1, ffn_dim=10, normalise=1, temperature=0.2,
                   gap=1, position=1, n_types=5),
    'rich': dict(BASE, dim=10, heads=1, attention=1, gated=1, ffn_dim=14, bias_position=1,
                 bias_time=1, gap=1, normalise=1, temperature=0.5, n_attributes=7, n_types=4),
    'biased': dict(BASE, dim=8, blocks=1, bias_position=1, bias_time=1, n_attributes=5),
}
LENGTHS = (5, 1, 41, 12, 33)


class Random:
    """xoshiro256** seeded by splitmix64, as src/base/rng.h promises it on every machine."""
    MASK = (1 << 64) - 1

    def __init__(self, seed, stream):
        x = self.mix(seed) ^ (stream * 0xD1342543DE82EF95 & self.MASK)
        self.s = []
        for _ in range(4):
            x = (x + 0x9E3779B97F4A7C15) & self.MASK
            self.s.append(self.mix(x))

    @classmethod
    def mix(cls, x):
        x = (x + 0x9E3779B97F4A7C15) & cls.MASK
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & cls.MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & cls.MASK
        return x ^ (x >> 31)

    @classmethod
    def turn(cls, x, k):
        return ((x << k) | (x >> (64 - k))) & cls.MASK

    def next(self):
        s = self.s
        result = self.turn(s[1] * 5 & self.MASK, 7) * 9 & self.MASK
        t = s[1] << 17 & self.MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = self.turn(s[3], 45)
        return result

    def below(self, n):
        """Uniform in [0, n): the high half of a product, unless the low half would bias."""
        while True:
            product = (self.next() >> 32) * n
            if product % 2**32 >= 2**32 % n:
                return product >> 32


def parameters(c, rng):
    """Tensors by name, with values large enough that every nonlinearity matters."""
    d = c['dim']
    shape = {}
    if c['n_attributes']:
        shape['attribute'] = (c['n_attributes'], d)
    if c['n_types']:
        shape['type'] = (c['n_types'], d)
    if c['gap']:
        shape['gap'] = (BUCKETS, d)
    if c['position']:
        shape['position'] = (c['max_length'], d)
    for i in range(c['blocks']):
        b = f'block.{i}.'
        shape[b + 'norm1'] = (2, d)
        shape[b + 'in'] = (d, (4 if c['gated'] else 3) * d)
        if c['gated']:
            shape[b + 'norm_attention'] = (2, d)
        shape[b + 'out'] = (d, d)
        if c['bias_position']:
            shape[b + 'bias_position'] = (1, c['max_length'])
        if c['bias_time']:
            shape[b + 'bias_time'] = (1, BUCKETS)
        if c['ffn_dim']:
            shape[b + 'norm2'] = (2, d)
            shape[b + 'ffn1'] = (d, c['ffn_dim'])
            shape[b + 'ffn2'] = (c['ffn_dim'], d)
    shape['norm'] = (2, d)
    shape['item'] = (c['n_items'], d)
    p = {}
    for name, (rows, cols) in shape.items():
        value = rng.normal(0, 0.4, (rows, cols))
        if 'norm' in name:
            value = 0.5 * value
            value[0] += 1
        p[name] = torch.tensor(value.astype(numpy.float32), dtype=F64, requires_grad=True)
    return p


def make_batch(c, rng):
    """Sequences as (items, targets, types, times, target times)."""
    batch = []
    for n in LENGTHS:
        # From fractions of a second to years, so that many buckets are met.
        steps = numpy.exp(rng.uniform(math.log(0.2), math.log(3e7), n))
        steps[rng.random(n) < 0.1] = 0
        times = numpy.concatenate([[0], numpy.cumsum(steps)]).astype(numpy.float32)
        events = rng.integers(0, c['n_items'], n + 1)
        targets = [NONE if rng.random() < 0.1 else int(i) for i in events[1:]]
        batch.append(([int(i) for i in events[:-1]], targets,
                      [int(i) for i in rng.integers(0, max(c['n_types'], 1), n)],
                      times[:-1], times[1:]))
    return batch


def bucket(later, earlier):
    """0 below a second, then two to an octave, cut at 1.5 times a power of two."""
    seconds = float(numpy.float32(later) - numpy.float32(earlier))
    if not seconds >= 1:
        return 0
    octave = math.floor(math.log2(seconds))
    return min(1 + 2 * octave + (seconds >= 1.5 * 2.0**octave), BUCKETS - 1)


def norm(x, w):
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-6) * w[0] + w[1]


def item_vectors(c, p, attributes):
    if not c['n_attributes']:
        return p['item']
    share = torch.zeros(c['n_items'], c['n_attributes'], dtype=F64)
    for i, mine in enumerate(attributes):
        for a in mine:
            share[i, a] += 1 / math.sqrt(len(mine))
    return p['item'] + share @ p['attribute']


def attention(c, p, b, q, k, v, times, target_times):
    n, dh = q.shape[0], c['dim'] // c['heads']
    heads = [x.reshape(n, c['heads'], dh).permute(1, 0, 2) for x in (q, k, v)]
    s = heads[0] @ heads[1].transpose(1, 2) / math.sqrt(dh)
    if c['bias_position']:
        distance = torch.arange(n)[:, None] - torch.arange(n)[None, :]
        s = s + p[b + 'bias_position'][0][c['max_length'] - 1 - distance.clamp(min=0)]
    if c['bias_time']:
        s = s + p[b + 'bias_time'][0][torch.tensor(
            [[bucket(later, earlier) for earlier in times] for later in target_times])]
    past = torch.tril(torch.ones(n, n, dtype=torch.bool))
    if c['attention'] == 1:
        weights = torch.where(past, torch.nn.functional.silu(s), torch.zeros((), dtype=F64))
        weights = weights / c['max_length']
    else:
        weights = torch.softmax(s.masked_fill(~past, -math.inf), -1)
    return (weights @ heads[2]).permute(1, 0, 2).reshape(n, c['dim'])


def block(c, p, i, x, times, target_times):
    b = f'block.{i}.'
    a = norm(x, p[b + 'norm1']) @ p[b + 'in']
    if c['gated']:
        u, v, q, k = torch.nn.functional.silu(a).chunk(4, -1)
    else:
        v, q, k = a.chunk(3, -1)
    y = attention(c, p, b, q, k, v, times, target_times)
    if c['gated']:
        y = u * norm(y, p[b + 'norm_attention'])
    x = x + y @ p[b + 'out']
    if c['ffn_dim']:
        x = x + torch.relu(norm(x, p[b + 'norm2']) @ p[b + 'ffn1']) @ p[b + 'ffn2']
    return x


def forward(c, p, vectors, batch):
    rows = []
    for items, _, types, times, target_times in batch:
        x = math.sqrt(c['dim']) * vectors[items]
        if c['n_types']:
            x = x + p['type'][types]
        if c['gap']:
            x = x + p['gap'][[0] + [bucket(b, a) for a, b in zip(times, times[1:])]]
        if c['position']:
            x = x + p['position'][:len(items)]
        for i in range(c['blocks']):
            x = block(c, p, i, x, times, target_times)
        rows.append(norm(x, p['norm']))
    return torch.cat(rows)


def mean_loss(kind, c, p, attributes, batch, events):
    """The output rows, and the loss averaged over rows that have a target."""
    vectors = item_vectors(c, p, attributes)
    h = forward(c, p, vectors, batch)
    target = torch.tensor([t for row in batch for t in row[1]])
    rows, target = h[target != NONE], target[target != NONE]
    scored = vectors
    if c['normalise']:
        scored = vectors / vectors.norm(dim=-1, keepdim=True) / c['temperature']
        rows = rows / rows.norm(dim=-1, keepdim=True)
    if kind == 'full':
        return h, torch.nn.functional.cross_entropy(rows @ scored.T, target)
    rng = Random(SEED, 1)
    if kind == 'sampled':
        drawn = [rng.below(c['n_items']) if j % 2 == 0 else events[rng.below(len(events))]
                 for j in range(NEGATIVES)]
        share = numpy.bincount(events, minlength=c['n_items']) / len(events)
        expected = [NEGATIVES * (0.5 / c['n_items'] + 0.5 * share[i]) for i in drawn]
        scores = rows @ scored[drawn].T - torch.log(torch.tensor(expected, dtype=F64))
        hit = torch.tensor(drawn)[None, :] == target[:, None]
        own = (rows * scored[target]).sum(-1, keepdim=True)
        logits = torch.cat([own, scores.masked_fill(hit, -math.inf)], -1)
        return h, (torch.logsumexp(logits, -1) - own[:, 0]).mean()
    # gbce: p(positive)^beta, so log p times beta; negatives of its own for every row
    drawn = torch.tensor([[rng.below(c['n_items']) for _ in range(NEGATIVES)]
                          for _ in range(len(rows))])
    alpha = NEGATIVES / (c['n_items'] - 1)
    beta = alpha * (0.75 * (1 - 1 / alpha) + 1 / alpha)
    own = torch.nn.functional.logsigmoid((rows * scored[target]).sum(-1))
    others = torch.nn.functional.logsigmoid(-(rows[:, None, :] * scored[drawn]).sum(-1))
    return h, (-(beta * own + others.sum(-1)) / (NEGATIVES + 1)).mean()


def ten_steps(c, start, attributes, batch):
    p = {name: t.detach().clone().requires_grad_() for name, t in start.items()}
    plain = [t for name, t in p.items() if 'norm' in name or 'bias' in name]
    decaying = [t for name, t in p.items() if not ('norm' in name or 'bias' in name)]
    adam = torch.optim.AdamW([{'params': plain, 'weight_decay': 0},
                              {'params': decaying, 'weight_decay': DECAY}],
                             lr=RATE, betas=(0.9, 0.98), eps=1e-8)
    for _ in range(STEPS):
        adam.zero_grad()
        mean_loss('full', c, p, attributes, batch, [])[1].backward()
        adam.step()
    return p


def record(out, name, value):
    value = numpy.atleast_2d(numpy.asarray(value, dtype='<f4'))
    out.write(struct.pack('<40sII', name.encode(), *value.shape) + value.tobytes())


def make(name, c, seed):
    rng = numpy.random.default_rng(seed)
    p = parameters(c, rng)
    batch = make_batch(c, rng)
    attributes = [[int(a) for a in rng.permutation(c['n_attributes'])[:rng.integers(0, 4)]]
                  for _ in range(c['n_items'])]
    events = [i for items, *_ in batch for i in items]
    path = pathlib.Path('tests/data') / f'model_golden_{name}.bin'
    with path.open('wb') as out:
        record(out, 'config', list(c.values()))
        record(out, 'train', [STEPS, RATE, DECAY, NEGATIVES, SEED])
        record(out, 'lengths', LENGTHS)
        for k, field in enumerate(('item', 'target', 'type', 'time', 'target_time')):
            flat = [x for row in batch for x in row[k]]
            record(out, 'batch.' + field, [-1 if x == NONE else x for x in flat])
        if c['n_attributes']:
            record(out, 'attributes.count', [len(a) for a in attributes])
            record(out, 'attributes', [a for mine in attributes for a in mine])
        for tensor, value in p.items():
            record(out, 'param.' + tensor, value.detach())
        # gSASRec's loss is for plain products, see train_presets.c.
        for kind in ('full', 'sampled') + (() if c['normalise'] else ('gbce',)):
            for t in p.values():
                t.grad = None
            h, loss = mean_loss(kind, c, p, attributes, batch, events)
            loss.backward()
            record(out, 'loss.' + kind, [loss.item()])
            for tensor, value in p.items():
                record(out, f'grad.{kind}.{tensor}', value.grad)
        record(out, 'h', h.detach())
        for tensor, value in ten_steps(c, p, attributes, batch).items():
            record(out, 'after.' + tensor, value.detach())
    print(f'{path}: {path.stat().st_size} bytes')


if __name__ == '__main__':
    torch.set_num_threads(1)
    for number, (name, config) in enumerate(CONFIGS.items()):
        make(name, config, number)
