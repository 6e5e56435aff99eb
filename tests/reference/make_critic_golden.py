#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Numbers that the critics must reproduce: tests/data/model_golden_critic.bin.

An implementation of its own of the formulas in src/learn/critic_loss.h, with Python's
floats alone. It knows no gradients: it takes them as central differences of the loss, in
which the terms that are taken as given are computed from parameters that stand still. Run
by hand from the project's root when the formulas change; the tests only read the result:

    /usr/bin/python3 tests/reference/make_critic_golden.py

The records are those of make_model_golden.py.
"""
import math
import pathlib
import struct

DIM, INPUTS, HIDDEN, STATES, ITEMS, BATCH, NEGATIVES = 4, 6, 3, 7, 9, 5, 4
WIDTH = 2 * DIM + HIDDEN
SIZE = INPUTS * WIDTH + 3 * (INPUTS + HIDDEN)
GAMMA, SCALE, TAU, CONSERVATIVE, WEIGHT = 0.95, 1.75, 0.7, 0.1, 0.8
STEP = 1e-5


def single(x):
    return struct.unpack('<f', struct.pack('<f', x))[0]


class Draw:
    def __init__(self, seed):
        self.state = seed * 2 + 1

    def below(self, n):
        self.state = self.state * 48271 % 2147483647
        return self.state % n

    def real(self):
        return single(self.below(20001) / 10000 - 1)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def net(param, x):
    """The twins' rows and the three terms of a state."""
    def column(j):
        return sum(x[i] * param[i * WIDTH + j] for i in range(INPUTS))
    z = [max(0.0, column(2 * DIM + j)) for j in range(HIDDEN)]
    heads = INPUTS * WIDTH
    terms = [dot(param[heads + r * (INPUTS + HIDDEN):heads + (r + 1) * (INPUTS + HIDDEN)], x + z)
             for r in range(3)]
    rows = [[column(k * DIM + j) for j in range(DIM)] for k in range(2)]
    return rows, terms


def loss(live, still, target, data):
    """`live` moves, `still` are the same numbers where they are taken as given."""
    total = 0.0
    for state, following, item, reward, discount, negatives in data:
        rows, terms = net(live, state)
        rows_still, terms_still = net(still, state)
        rows_target, terms_target = net(target, state)
        q_target = min(dot(rows_target[k], item) + terms_target[1 + k] for k in range(2))
        u = q_target - terms[0]
        total += 0.5 * abs(TAU - (1 if u < 0 else 0)) * u * u
        y = reward / SCALE + discount * net(still, following)[1][0]
        for k in range(2):
            q = dot(rows[k], item) + terms[1 + k]
            total += 0.5 * (q - y) ** 2
            given = dot(rows_still[k], item) + terms_still[1 + k]
            others = [given + dot(rows[k], [x - y for x, y in zip(e, item)]) for e in negatives]
            total += WEIGHT / NEGATIVES * sum(0.5 * (o - GAMMA * terms_still[0]) ** 2 for o in others)
            total += CONSERVATIVE * math.log(
                math.exp(given) + ITEMS / NEGATIVES * sum(math.exp(o) for o in others))
    return total / len(data)


def main():
    draw = Draw(5)
    param = [draw.real() for _ in range(SIZE)]
    target = [draw.real() for _ in range(SIZE)]
    states = [[draw.real() for _ in range(INPUTS)] for _ in range(STATES)]
    items = [[draw.real() for _ in range(DIM)] for _ in range(ITEMS)]
    rows, data = [], []
    for _ in range(BATCH):
        state, following, item = draw.below(STATES), draw.below(STATES), draw.below(ITEMS)
        reward, discount = draw.real(), single(abs(draw.real()))
        negatives = [(item + 1 + draw.below(ITEMS - 1)) % ITEMS for _ in range(NEGATIVES)]
        rows.append([state, following, item, reward, discount] + negatives)
        data.append((states[state], states[following], items[item], reward, discount,
                     [items[n] for n in negatives]))
    grad = []
    for i in range(SIZE):
        up, down = list(param), list(param)
        up[i] += STEP
        down[i] -= STEP
        grad.append((loss(up, param, target, data) - loss(down, param, target, data)) / (2 * STEP))
    records = [('options', [[GAMMA, SCALE, TAU, CONSERVATIVE, WEIGHT]]),
               ('shape', [[DIM, INPUTS, HIDDEN, STATES, ITEMS, BATCH, NEGATIVES]]),
               ('param', [param]), ('target', [target]), ('states', states), ('items', items),
               ('batch', rows), ('loss', [[loss(param, param, target, data)]]), ('grad', [grad])]
    out = b''
    for name, table in records:
        out += struct.pack('<40sII', name.encode(), len(table), len(table[0]))
        for row in table:
            out += struct.pack('<%df' % len(row), *row)
    pathlib.Path('tests/data/model_golden_critic.bin').write_bytes(out)


main()
