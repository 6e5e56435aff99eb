#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The worlds from the shell: in each every policy plays, the figures are the same again, with more
threads and in other company, and where it is known who earns more, and when, they do. What
`penchant simulate` prints is simulate.py's."""
import json
import os
import subprocess

PENCHANT = os.environ['PENCHANT']
# Least to most, and how many episodes it takes to see it.
ORDER = {
    'organic': (300, ['random', 'bandit-counts', 'oracle']),
    'switch': (100, ['random', 'user-counts', 'user-counts-decayed', 'oracle']),
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


def by_name(*arguments):
    return {policy['policy']: policy for policy in answer(*arguments)['policies']}


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
    for world in worlds:
        for first in range(0, len(policies), 16):  # simulate takes as many at once
            some = policies[first:first + 16]
            found = answer('--world', world, '--policy', ','.join(some), '--seeds', '2',
                           '--episodes', '1')
            assert [p['policy'] for p in found['policies']] == some
            for policy in found['policies']:
                assert policy['reward']['value'] >= 0, (world, policy['policy'])
                assert 't90' not in policy, 'of one user there is none'


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


def try_counting_closes_part_of_the_gap():
    found = by_name('--world', 'organic', '--policy', 'random,oracle,bandit-counts', '--episodes',
                    '1500', '--seeds', '3')
    for part in ('users 1-1000', 'users 1001-2000'):
        low, top, counts = (found[n]['parts'][part] for n in ('random', 'oracle', 'bandit-counts'))
        assert low['gap'] == 0 and top['gap'] == 1 and top['share_of_oracle'] == 1
        by_hand = ((counts['reward']['value'] - low['reward']['value']) /
                   (top['reward']['value'] - low['reward']['value']))
        assert abs(by_hand - counts['gap']) < 1e-4, (by_hand, counts)
        assert counts['gap_low'] < counts['gap'] < counts['gap_high'], counts
        assert counts['share_low'] < counts['share_of_oracle'] < counts['share_high'], counts
        assert .2 < counts['gap'] < .85, counts
    assert found['random']['parts']['users 2001-3000']['reward']['n'] == 0, 'nobody came so far'
    assert 't90' not in found['random'], 'the parts of a user are one: nothing switches'
    text = simulate('--world', 'organic', '--policy', 'random', '--episodes', '30', '-q')
    assert 'users 1-1000' in text and 'users 1001-2000' not in text and 'nan' not in text, text


def try_own_counts_lose_at_the_switch_and_recover():
    found = by_name('--world', 'switch', '--policy',
                    'random,oracle,user-counts,user-counts-decayed', '--episodes', '500', '--seeds',
                    '3')
    parts = {n: [p['share_of_oracle'] for p in found[n]['parts'].values()] for n in found}
    assert list(found['oracle']['parts']) == ['before', '0-9', '10-29', '30+']
    assert all(abs(share - .505) < .08 for share in parts['random']), parts
    before, at_once, later, last = parts['user-counts-decayed']
    assert before > .83 and at_once < .72 and at_once < later < last and last > .85, parts
    assert parts['user-counts'][3] < last, 'what never fades costs'
    assert found['oracle']['t90'] <= 3, found['oracle']['t90']
    slow = found['user-counts-decayed']['t90']
    assert slow is None or slow > 5, slow


def try_company_changes_nothing():
    few = ('--world', 'organic', '--episodes', '60', '--seeds', '2', '--policy')
    beside = by_name(*few, 'random,bandit-counts')['bandit-counts']
    alone = by_name(*few, 'bandit-counts')['bandit-counts']
    assert all(alone[key] == beside[key] for key in ('reward', 'by_turn'))


def try_one_seed_has_no_interval():
    one = ('--world', 'switch', '--policy', 'random,oracle', '--episodes', '20', '--seeds', '1')
    random = by_name(*one)['random']
    assert random['share_of_oracle'] > 0
    assert random['share_low'] is None and random['gap_high'] is None
    text = simulate(*one, '-q')
    assert '% of the oracle, gap  1.00' in text and 'nan' not in text, text


def try_one_user_has_no_t90():
    assert 'back at' not in simulate('--world', 'bandit-drift', '--policy', 'random', '--seeds', '2',
                                     '-q')


try_every_policy_everywhere()
try_order()
try_parts()
try_counting_closes_part_of_the_gap()
try_own_counts_lose_at_the_switch_and_recover()
try_company_changes_nothing()
try_one_seed_has_no_interval()
try_one_user_has_no_t90()
