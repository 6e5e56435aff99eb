# SPDX-License-Identifier: Apache-2.0
"""Logs for quality.csv that need no data: the same on every machine, from whole numbers alone.

    generated/shop.csv       reviews-like: shoppers follow rings of items in two of twelve tastes
    generated/items.csv      titles and categories of its items
    generated/train.csv      sessions, some of whose items come again
    generated/test.csv
    generated/clock.csv      the shop with times; tastes move on
"""
import os


class Draw:
    """Multiplicative congruence (Lehmer): the same numbers with every version of Python."""

    def __init__(self, seed):
        self.state = seed * 2 + 1

    def below(self, n):
        self.state = self.state * 48271 % 2147483647
        return self.state % n


WORDS = ('tea', 'lamp', 'rope', 'boot', 'drum', 'soap', 'kite', 'oven', 'sock', 'vase', 'bolt', 'harp')


def walk(draw, length, taste):
    """A shopper's items: mostly round a ring of 20 of a taste, now and then another one."""
    at = draw.below(20)
    for _ in range(length):
        now = taste if draw.below(8) else draw.below(12)
        at = (at + 1 + draw.below(2)) % 20
        yield '%s-%d' % (WORDS[now], at if draw.below(10) else draw.below(20))


def shop(out, clock):
    draw = Draw(11)
    out.write('user_id,item_id,event,timestamp\n')
    rows = []
    for user in range(900):
        begun, taste = draw.below(400), draw.below(12)
        had = set()
        for i, item in enumerate(walk(draw, 6 + draw.below(10), taste)):
            if not clock and item in had:
                continue
            had.add(item)
            day = begun + i * (1 + draw.below(3))
            if clock and day > 250:
                item = 'new-' + item
            event = 'purchase' if draw.below(6) == 0 else 'view'
            rows.append((day * 86400 + 1700000000 + draw.below(86400), user, item, event, len(had)))
    for time, user, item, event, place in sorted(rows) if clock else rows:
        out.write('u%d,%s,%s,%d\n' % (user, item, event, time if clock else place))


def items(out):
    out.write('item_id,title,category\n')
    for taste, word in enumerate(WORDS):
        for at in range(20):
            out.write('%s-%d,%s number %d of %s,%s\n' % (word, at, word, at, WORDS[at % 12], word + 's'))


def sessions(out, seed, n):
    draw = Draw(seed)
    out.write('session_id,item_id,timestamp\n')
    for session in range(n):
        had = []
        for i, item in enumerate(walk(draw, 2 + draw.below(6), draw.below(12))):
            if had and draw.below(3) == 0:
                item = had[draw.below(len(had))]
            had.append(item)
            out.write('%d-%d,%s,%d\n' % (seed, session, item, i + 1))


MAKERS = {
    'shop.csv': lambda out: shop(out, False),
    'clock.csv': lambda out: shop(out, True),
    'items.csv': items,
    'train.csv': lambda out: sessions(out, 5, 4000),
    'test.csv': lambda out: sessions(out, 6, 400),
}


def path(name, folder):
    """Makes generated/NAME in the folder and tells where it is."""
    name = os.path.basename(name)
    full = os.path.join(folder, name)
    with open(full, 'w') as out:
        MAKERS[name](out)
    return full
