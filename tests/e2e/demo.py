#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SLOW: trains for seconds that the sanitizers make minutes
"""`penchant demo` tells the truth: what it prints to try works when copied, the lists change
with the event, the shoppers shop, and nothing is left behind."""
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

PENCHANT = os.environ['PENCHANT']


def shell(line):
    r = subprocess.run(line, shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, timeout=60, check=False)
    assert r.returncode == 0, (line, r.stdout, r.stderr)
    return json.loads(r.stdout)


def read_until(stream, pattern):
    """Lines up to one that matches."""
    lines = []
    for line in stream:
        lines.append(line.rstrip('\n'))
        if re.search(pattern, line):
            return lines
    raise AssertionError(f'no line has {pattern}:\n' + '\n'.join(lines))


def try_lines(lines):
    curls = [line.strip() for line in lines if line.startswith('  curl ')]
    assert len(curls) == 6, lines
    before, added, after, item, similar, user = [shell(line) for line in curls]
    viewed = re.search(r'"item_id":"(\w+)"', curls[1]).group(1)
    assert len(before['items']) == len(after['items']) == 5
    assert [i['item_id'] for i in before['items']] != [i['item_id'] for i in after['items']]
    assert added['accepted'] == 1, added
    assert item['item_id'] == viewed and item['price'] > 0, item
    assert re.search(r'[\u4e00-\u9fff]', item['title']), item
    assert re.search(r'[A-Za-z]', item['title']), item
    assert len(similar['items']) == 5, similar
    assert viewed not in [i['item_id'] for i in similar['items']]
    assert user['user_id'] == 'u1' and user['events'] > 0, user


def quality_of(lines):
    """HR@10 by name from the printed table."""
    rows = [re.match(r'(\w+)\s+(0\.\d{4}) \[0\.\d{4}-0\.\d{4}\]', line) for line in lines]
    return {m.group(1): float(m.group(2)) for m in rows if m}


def start(folder, *args):
    return subprocess.Popen([PENCHANT, 'demo', '--listen', '127.0.0.1:0', *args],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, 'TMPDIR': str(folder)})


def try_demo(folder):
    with start(folder, '--seconds', '25') as demo:
        lines = read_until(demo.stdout, 'makes the second list differ')
        assert len(list(folder.iterdir())) == 1, 'the shop lives in the temporary folder'
        try_lines(lines)
        rest, chatter = demo.communicate(timeout=120)
    assert demo.returncode == 0, (demo.returncode, rest, chatter)
    assert re.search(r'items on 40 shelves', '\n'.join(lines)), lines
    quality = quality_of(lines)
    assert {'model', 'popularity', 'covisitation'} <= set(quality), (quality, lines)
    assert quality['model'] > quality['popularity'], quality
    live = re.search(r'Shopped live: (\d+) events, .* taken from ([\d.]+) % of our lists', rest)
    assert live and int(live.group(1)) > 20, rest
    assert float(live.group(2)) > 0, 'some of what is shown is taken'
    assert not list(folder.iterdir()), 'nothing is left behind'


def try_stop(folder):
    """Ctrl-C ends it at any time, also while it trains."""
    with start(folder) as demo:
        read_until(demo.stdout, 'imported in')
        demo.send_signal(signal.SIGINT)
        rest, chatter = demo.communicate(timeout=120)
    assert demo.returncode == 0, (demo.returncode, rest, chatter)
    assert not list(folder.iterdir())


def try_wrong_address(folder):
    """It is told before the training, not after it."""
    for listen, said in (('nonsense', 'ADDRESS:PORT'), ('0.0.0.0:0', 'PENCHANT_API_KEY')):
        with start(folder, '--listen', listen) as demo:
            out, chatter = demo.communicate(timeout=60)
        assert demo.returncode == 1 and said in chatter, (demo.returncode, chatter)
        assert 'Trained' not in out and not list(folder.iterdir()), out


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        try_demo(folder)
        try_stop(folder)
        try_wrong_address(folder)


if __name__ == '__main__':
    main()
