#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The worlds from the shell: in each every policy plays, the figures are the same again and with
more threads, and where it is known who earns more, they do."""
import json
import os
import subprocess

PENCHANT = os.environ['PENCHANT']
# Least to most, and how many episodes it takes to see it.
ORDER = {
    'evolution': (250, ['random', 'myopic', 'oracle']),
    'bandit': (1, ['random', 'linucb', 'oracle']),
    'bandit-drift': (1, ['random', 'linucb', 'linucb-forgetting', 'oracle']),
    'bandit-waves': (1, ['random', 'linucb', 'oracle']),
    'bandit-waves-drift': (1, ['random', 'linucb', 'linucb-forgetting', 'oracle']),
    'catalogue-drift': (150, ['random', 'linucb', 'myopic', 'oracle']),
}


def simulate(*arguments, expect=0):
    run = subprocess.run([PENCHANT, 'simulate', *arguments], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == expect, (arguments, run.returncode, run.stderr)
    return run.stdout


def answer(*arguments):
    """Without what is measured in time."""
    found = json.loads(simulate(*arguments, '--json', '--quiet'))
    for policy in found['policies']:
        assert policy.pop('us_a_decision') >= 0
    return found


def names(heading):
    found, inside = [], False
    for line in simulate('--list').splitlines():
        if line.endswith(':'):
            inside = line == heading + ':'
        elif inside:
            found.append(line.split()[0])
    return found


def try_every_policy_everywhere():
    policies = names('policies')
    assert {'random', 'myopic', 'linucb', 'linucb-forgetting', 'oracle'} <= set(policies), policies
    worlds = names('worlds')
    assert set(ORDER) <= set(worlds), worlds
    for world in ORDER:
        for first in range(0, len(policies), 16):  # simulate takes as many at once
            some = policies[first:first + 16]
            found = answer('--world', world, '--policy', ','.join(some), '--seeds', '2',
                           '--episodes', '1')
            assert [p['policy'] for p in found['policies']] == some
            for policy in found['policies']:
                assert policy['reward']['value'] > 0, (world, policy['policy'])


def try_order():
    for world, (episodes, policies) in ORDER.items():
        wanted = ('--world', world, '--policy', ','.join(policies), '--seeds', '3', '--episodes',
                  str(episodes))
        found = answer(*wanted)
        earned = [p['reward']['value'] for p in found['policies']]
        assert earned == sorted(earned) and earned[0] < earned[-1], (world, policies, earned)
        assert answer(*wanted, '--threads', '2') == found, world


def try_parts():
    found = answer('--world', 'bandit-drift', '--policy', 'linucb,linucb-forgetting', '--seeds', '2')
    plain, forgetting = (list(p['parts'].values()) for p in found['policies'])
    assert len(plain) == 5
    # Before anything changed forgetting gains nothing; after the last change it does.
    gains = [f['reward']['value'] - p['reward']['value'] for p, f in zip(plain, forgetting)]
    assert gains[0] < 100 < gains[4], gains
    found = answer('--world', 'evolution', '--policy', 'random', '--seeds', '1', '--episodes', '130')
    with_turns = [n for n, p in found['policies'][0]['parts'].items() if p['reward']['value']]
    assert with_turns == ['1-125', '126-250'], found


try_every_policy_everywhere()
try_order()
try_parts()
