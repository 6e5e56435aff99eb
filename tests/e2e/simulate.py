#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""penchant simulate from the shell: what is printed, that JSON, text and plot agree, the same seed
gives the same figures, the luck of a seed is nobody's, wrong usage, and a stop."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import xml.etree.ElementTree

PENCHANT = os.environ.get('PENCHANT') or os.path.abspath('build/penchant')


def simulate(*args, expect=0):
    run = subprocess.run([PENCHANT, 'simulate', *args], capture_output=True, text=True,
                         check=False)
    assert run.returncode == expect, (args, run.returncode, run.stderr)
    return run.stdout, run.stderr


def answer(*args):
    """Without what is measured in time."""
    out, err = simulate(*args, '--json', '--quiet')
    assert out.count('\n') == 1 and not err, (out, err)
    found = json.loads(out)
    for policy in found['policies']:
        assert policy.pop('us_a_decision') >= 0
    return found


def try_figures():
    found = answer('--world', 'slates-switch', '--policy', 'random,linear-ts-forget,oracle',
                   '--seeds', '2', '--episodes', '12', '--seed', '3')
    assert (found['world'], found['episodes'], found['seed'], found['seeds']) == \
        ('slates-switch', 12, 3, 2), found
    assert found['compared_with'] == 'random'
    random, linear, oracle = found['policies']
    assert 'over_first' not in random
    for policy in (linear, oracle):
        over = policy['over_first']
        assert abs(over['value'] - (policy['reward']['value'] - random['reward']['value'])) < 1e-4
        assert over['low'] <= over['value'] <= over['high'] and over['n'] == 2
        assert abs(policy['over_first_by_episode']['value'] - over['value']) < 1e-4
        assert policy['over_first_by_episode']['n'] == 24
    for policy in found['policies']:
        parts = policy['parts']
        assert list(parts) == ['before', 'after']
        assert abs(sum(p['reward']['value'] for p in parts.values()) -
                   policy['reward']['value']) < 1e-4
        turns = policy['by_turn']
        assert turns['stride'] == 1 and len(turns['reward']) == 100
        assert abs(sum(turns['reward']) - policy['reward']['value']) < 1e-2
        episodes = policy['by_episode']['reward']
        assert len(episodes) == 12
        assert abs(sum(episodes) / 12 - policy['reward']['value']) < 1e-2
        assert abs(policy['share_of_oracle'] -
                   policy['reward']['value'] / oracle['reward']['value']) < 1e-4
        assert 't90' in policy
    assert random['gap'] == 0 and oracle['gap'] == 1 and 0 < linear['gap'] < 1
    assert oracle['t90'] == 0 and oracle['reward']['value'] > 300


def try_same_again():
    args = ('--world', 'slates', '--policy', 'random,linear-ts,popularity-decayed', '--seeds', '3',
            '--episodes', '6')
    once = answer(*args)
    assert answer(*args) == once
    assert answer(*args, '--threads', '3') == once
    assert answer(*args, '--seed', '2') != once
    # Nobody's figures depend on who else plays.
    alone = answer('--world', 'slates', '--policy', 'linear-ts', '--seeds', '3', '--episodes', '6')
    for key in ('reward', 'by_turn', 'by_episode'):
        assert alone['policies'][0][key] == once['policies'][1][key], key


def try_text():
    args = ('--world', 'slates-switch', '--policy', 'random,oracle', '--seeds', '2', '--episodes',
            '8')
    text, err = simulate(*args)
    assert 'simulating: 100%' in err, err
    lines = text.splitlines()
    assert lines[0] == 'slates-switch, 8 episodes, 2 seeds from 1', text
    of_json = answer(*args)['policies'][1]
    line = next(l for l in lines if l.startswith('oracle'))
    assert line.split()[1] == f"{of_json['reward']['value']:.4g}", (line, of_json)
    assert '100 % of the oracle' in line
    assert [l.split()[0] for l in lines if l.startswith('  ')].count('before') == 2
    assert f"back at 90 % after {of_json['t90']} steps" in lines[-1], text


def try_plot():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'reward.svg')
        simulate('--world', 'slates-switch', '--policy', 'random,oracle,linear-ts', '--seeds', '1',
                 '--episodes', '5', '--plot', path, '-q')
        svg = xml.etree.ElementTree.parse(path).getroot()
        space = '{http://www.w3.org/2000/svg}'
        assert svg.tag == space + 'svg'
        lines = svg.findall(space + 'path')
        assert len(lines) == 6, len(lines)
        assert len(lines[0].get('d').split('L')) == 100
        assert len(lines[3].get('d').split('L')) == 5
        said = [t.text for t in svg.iter(space + 'text')]
        assert said.count('linear-ts') == 2 and 'turn of the episode' in said, said
        low, high = (float(v) for v in (svg.get('width'), svg.get('height')))
        for line in lines:
            for point in line.get('d').replace('M', 'L').split('L')[1:]:
                x, y = (float(v) for v in point.split())
                assert 0 < x < low and 0 < y < high, point
        _, err = simulate('--world', 'slates', '--policy', 'random', '--seeds', '1', '--episodes',
                          '1', '-q', '--plot', os.path.join(folder, 'no', 'such.svg'), expect=1)
        assert 'such.svg' in err, err
        assert not os.listdir(pathlib.Path(folder)) or os.listdir(folder) == ['reward.svg']


def try_list():
    out, _ = simulate('--list')
    found = json.loads(simulate('--list', '--json')[0])
    for kind in ('worlds', 'policies'):
        for name, says in found[kind].items():
            assert says and any(l.split()[:1] == [name] for l in out.splitlines()), name
    assert {'slates', 'slates-switch'} <= set(found['worlds'])
    assert {'random', 'oracle', 'popularity-frozen', 'linear-ts-cap', 'linear-ucb'} <= \
        set(found['policies'])


def try_wrong_usage():
    for args, said in (((), 'takes --world W and --policy P'),
                       (('--world', 'slates'), 'takes --world W and --policy P'),
                       (('--world', 'slate', '--policy', 'random'), 'did you mean slates?'),
                       (('--world', 'zzzzzz', '--policy', 'random'), '--list'),
                       (('--world', 'slates', '--policy', 'randm'), 'did you mean random?'),
                       (('--world', 'slates', '--policy', 'random,random'), 'named twice'),
                       (('--world', 'slates', '--policy', 'random', '--seeds', '0'), '--seeds'),
                       (('--world', 'slates', '--policy', ','.join(['random'] * 17)), 'at most 16')):
        out, err = simulate(*args, expect=2)
        assert said in err and not out, (args, err)
    _, err = simulate('--world', 'slates', '--policy', 'random', '--episodes', '10000000', '--seeds',
                      '10', '-q', expect=1)
    assert 'too many' in err, err


def try_stop():
    run = subprocess.Popen([PENCHANT, 'simulate', '--world', 'slates', '--policy', 'linear-ts',
                            '--episodes', '100000', '--seeds', '2'], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
    line = run.stderr.readline()
    assert line.startswith('simulating'), line
    time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 1 and not out and 'stopped' in err, (run.returncode, out, err)


try_figures()
try_same_again()
try_text()
try_plot()
try_list()
try_wrong_usage()
try_stop()
