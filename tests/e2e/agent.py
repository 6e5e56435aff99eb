#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`penchant agent` over pipes: the protocol, bad lines, the end of input, the same seed gives the
same answers, propensities are chances, and it learns what a user likes."""
import json
import os
import random
import subprocess

PENCHANT = os.environ['PENCHANT']


class Agent:
    def __init__(self, *args):
        self.process = subprocess.Popen([PENCHANT, 'agent', *args], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, bufsize=1)

    def say(self, **line):
        self.write(json.dumps(line))

    def write(self, text):
        self.process.stdin.write(text + '\n')
        self.process.stdin.flush()

    def ask(self, **line):
        """The answer, which must come before anything else is written: it was flushed."""
        self.say(op='recommend', **line)
        return json.loads(self.process.stdout.readline())

    def end(self, line='{"op":"end"}'):
        """(exit status, what was left on standard output, chatter)"""
        out, chatter = self.process.communicate(line + '\n' if line else '', timeout=60)
        return self.process.returncode, out, chatter


def features(n, dim, seed):
    r = random.Random(seed)
    rows = []
    for _ in range(n):
        row = [0.0] * dim
        for j in r.sample(range(dim), 2):
            row[j] = r.random()
        rows.append(row)
    return rows


def check_list(answer, ident, n, k):
    assert answer['id'] == ident, answer
    assert len(answer['items']) == len(set(answer['items'])) == k, answer
    assert all(0 <= i < n for i in answer['items']), answer
    assert len(answer['p']) == k and all(0 < p <= 1 for p in answer['p']), answer


def try_protocol():
    agent = Agent('--slate', '3')
    # Before any catalogue, candidates do; ids are numbers or texts, fields may be unknown.
    check_list(agent.ask(id='first', user='ann', candidates=[[1, 0], [0, 1], [1, 1]], k=2,
                         colour='blue'), 'first', 3, 2)
    agent.say(op='feedback', id='first', user='ann', reward=[4.0, 0], done=False)
    agent.say(op='catalog', n=50, dim=0, features=None)
    agent.say(op='reset', user='ann')
    agent.say(op='event', user='ann', type='view', item=12, ts=3.0)
    agent.say(op='impression', user='bob', items=[1, 2], reward=[0, 1])
    check_list(agent.ask(id=9, user='ann', ts=4.0), 9, 50, 3)
    check_list(agent.ask(id=10, user='bob', k=50, context=[1, 2]), 10, 50, 50)
    # Late, and shorter than the list.
    agent.say(op='feedback', id=10, user='bob', reward=[1])
    agent.say(op='feedback', id=9, user='ann', reward=[0, 1, 0], done=True)
    status, out, chatter = agent.end()
    assert (status, out, chatter) == (0, '', ''), (status, out, chatter)


def try_bad_lines():
    agent = Agent()
    agent.say(op='catalog', n=5, dim=2, features=features(5, 2, 1), slate=2)
    bad = [('{"op":', ''), ('[]', 'op'), ('{"op":"sing"}', 'op: sing'), ('{}', 'op'),
           ('{"op":"event","user":"a","type":"view","item":5}', 'item'),
           ('{"op":"event","user":"","type":"view","item":1}', 'user'),
           ('{"op":"event","user":"a","item":1}', 'type'),
           ('{"op":"event","user":"a","type":"view","item":1,"ts":"x"}', 'ts'),
           ('{"op":"recommend","user":"a"}', 'id'),
           ('{"op":"recommend","id":1,"user":"a","k":0}', 'k'),
           ('{"op":"recommend","id":1,"user":"a","k":101}', 'k'),
           ('{"op":"recommend","id":1,"user":"a","candidates":[]}', 'candidates'),
           ('{"op":"recommend","id":1,"user":"a","candidates":[[1,2],[1]]}', 'candidates[1]'),
           ('{"op":"recommend","id":1,"user":"a","context":[null]}', 'context'),
           ('{"op":"feedback","id":77,"reward":[0]}', 'id'),
           ('{"op":"impression","user":"a","items":[9],"reward":[0]}', 'items[0]'),
           ('{"op":"impression","user":"a","items":[1],"reward":[-1]}', 'reward[0]'),
           ('{"op":"impression","user":"a","items":[1],"reward":[1,1]}', 'reward'),
           ('{"op":"catalog","n":2,"features":[[1]]}', 'features'),
           ('{"op":"catalog"}', 'n')]
    for line, _ in bad:
        agent.write(line)
    check_list(agent.ask(id=1, user='a'), 1, 5, 2)
    agent.say(op='feedback', id=1, user='a', reward=[0, 0, 0])  # too long: still open
    agent.say(op='feedback', id=1, user='a', reward=[0, 0])
    status, out, chatter = agent.end()
    told = chatter.splitlines()
    assert status == 0 and out == '', (status, out)
    assert len(told) == len(bad) + 1, chatter
    for number, ((_, what), line) in enumerate(zip(bad, told), 2):
        assert line.startswith(f'penchant: agent: line {number}: {what}'), (number, line)


def play(seed, agent_seed, steps=300):
    """A user who likes one direction; returns the lists and clicks per step at the end."""
    rows = features(200, 8, seed)
    likes = sorted(range(8), key=lambda j: random.Random(seed * 31 + j).random())[:2]
    agent = Agent('--seed', str(agent_seed), '--slate', '5')
    agent.say(op='catalog', n=len(rows), dim=8, features=rows)
    agent.say(op='reset', user='u')
    lists, late = [], 0
    for step in range(steps):
        answer = agent.ask(id=step, user='u', ts=step)
        check_list(answer, step, len(rows), 5)
        reward = [1 if sum(rows[i][j] for j in likes) > .8 else 0 for i in answer['items']]
        late += sum(reward) if step >= steps - 50 else 0
        lists.append((answer['items'], answer['p']))
        agent.say(op='feedback', id=step, user='u', reward=reward, done=step == steps - 1)
    # The end of input is an end as well.
    status, out, chatter = agent.end(line='')
    assert (status, out, chatter) == (0, '', ''), (status, chatter)
    chance = sum(sum(row[j] for j in likes) > .8 for row in rows) / len(rows)
    return lists, late / 250, chance


def try_learning():
    first, rate, chance = play(3, 5)
    again, _, _ = play(3, 5)
    other, _, _ = play(3, 6)
    assert first == again, 'the same seed gives the same answers'
    assert first != other, 'another seed draws otherwise'
    assert rate > .7 and rate > 2 * chance, (rate, chance)


def main():
    try_protocol()
    try_bad_lines()
    try_learning()


if __name__ == '__main__':
    main()
