#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The README's commands, copied and run: a first event over HTTP, a user's own data, and the
protocols. Only the program's path, the port and the minutes of training are changed."""
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
README = (ROOT / 'README.md').read_text(encoding='utf-8')
PENCHANT = os.environ['PENCHANT']


def block(heading, number=0):
    """A shell block under a heading."""
    section = re.search(rf'## {heading}\n(.*?)(?=\n## |\Z)', README, re.S).group(1)
    return re.findall(r'```sh\n(.*?)```', section, re.S)[number]


def commands(text):
    """One command each; a line that ends in a backslash or inside quotes goes on."""
    out, open_ = [], ''
    for line in text.splitlines():
        open_ += line + '\n'
        if line.endswith('\\') or open_.count("'") % 2:
            continue
        out.append(open_.replace('build/penchant', PENCHANT))
        open_ = ''
    return out


def run(command, folder):
    r = subprocess.run(['bash', '-c', command], cwd=folder, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    assert r.returncode == 0, (command, r.stdout, r.stderr)
    return r.stdout


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(('127.0.0.1', port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError('the server does not listen')


def try_first_event(folder):
    serve, add, ask = commands(block('A first event'))
    port = free_port()
    assert serve.split()[1:] == ['serve', '&'], serve
    with subprocess.Popen([PENCHANT, 'serve', '--listen', f'127.0.0.1:{port}'], cwd=folder,
                          stderr=subprocess.DEVNULL) as server:
        wait_for(port)
        added = json.loads(run(add.replace('7700', str(port)), folder))
        listed = json.loads(run(ask.replace('7700', str(port)), folder))
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert added['accepted'] == 3, added
    assert 'pot' in [i['item_id'] for i in listed['items']], listed
    assert (folder / 'penchant-data/shop.db').exists()


def write_log(folder):
    """The README's own example lines come first."""
    rng = random.Random(1)
    shown = re.search(r'```\n(user_id,item_id,.*?)```', README, re.S).group(1)
    with open(folder / 'events.csv', 'w', encoding='utf-8') as f:
        f.write(shown)
        for user in range(60):
            for step in range(8):
                f.write(f'{user},tea-{(user + step * rng.choice((1, 2))) % 20},view,'
                        f'{1767225700 + step * 1000 + user},\n')
    (folder / 'items.csv').write_text('item_id,title\ntea-7,Oolong\n')


def try_own_data(folder):
    lines = commands(block('Your own data'))
    assert [line.split()[1] for line in lines] == ['import', 'train', 'evaluate', 'recommend',
                                                   'serve']
    for line in lines[:-1]:
        out = run(line.replace('--minutes 10', '--minutes 0.02'), folder)
        assert out.strip(), line
    assert 'tea-' in out, out
    lines = commands(block('Your own data', 1))
    assert [line.split()[1] for line in lines] == ['recommend', 'recommend', 'interests', 'next',
                                                   'segments']
    shown = [run(line, folder) for line in lines]
    assert 'covisitation' in shown[0] and 'tea-' in shown[1] and 'tea-' in shown[2], shown
    assert all(text.strip() for text in shown), shown


def try_protocols(folder):
    lines = commands(block('What it measures'))
    assert len(lines) == 5, lines
    (folder / 'items.csv').write_text('item_id,title\n' + ''.join(
        f'tea-{i},{"green black white red".split()[i % 4]} tea {i}\n' for i in range(20)))
    for name in ('train.csv', 'test.csv'):
        (folder / name).write_text('session_id,item_id,timestamp\n' + ''.join(
            f's{s},a{(s + i) % 9},{s * 10 + i}\n' for s in range(40) for i in range(4)))
    for line in lines:
        line = line.replace('--minutes 30', '').strip() + ' --epochs 1 --dim 8 --heads 1 -q'
        report = json.loads(run(line, folder))
        assert report['cases'] > 0 and report['protocol'] in line, report


def try_benchmarks(folder):
    listed = re.findall(r'build/penchant bench (\w+)', README)
    known = re.findall(r'^  (\w+) ', run(f'{PENCHANT} bench --help', folder), re.M)
    assert sorted(listed) == sorted(known), (listed, known)


def main():
    for part in (try_first_event, try_own_data, try_protocols, try_benchmarks):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            write_log(folder)
            part(folder)
            print('ok', part.__name__)


if __name__ == '__main__':
    main()
