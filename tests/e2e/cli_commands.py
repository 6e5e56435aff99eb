#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The shop's commands from the shell: help, wrong usage, lists before and after training,
status, evaluation, a shop that another process holds, and documentation that is true."""
import fcntl
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PENCHANT = os.environ['PENCHANT']


def penchant(*args, expect=0):
    r = subprocess.run([PENCHANT, *[str(a) for a in args]], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, check=False)
    assert r.returncode == expect, (args, r.returncode, r.stdout, r.stderr)
    return r.stdout, r.stderr


def answer(*args, **more):
    """A command's JSON: one object on one line."""
    out, _ = penchant(*args, '--json', **more)
    assert out.count('\n') == 1, out
    return json.loads(out)


def items(answered):
    return [i['item_id'] for i in answered['items']]


def try_help():
    out, _ = penchant('--help')
    names = [line.split()[0] for line in out.splitlines() if line.startswith('  ')]
    assert {'import', 'export', 'train', 'evaluate', 'recommend', 'similar', 'status', 'serve',
            'interests', 'next', 'segments', 'balance', 'benchmark', 'simulate', 'agent', 'ope', 'demo', 'bench',
            'help'} == set(names), names
    for name in names:
        text, _ = penchant('help', name)
        assert text.startswith('penchant'), text
        if name not in ('help', 'bench'):
            assert f'usage: penchant {name} [OPTIONS]' in text, text
            assert penchant(name, '--help')[0] == text
    assert penchant('--version')[0].startswith('penchant 0.')
    assert '(default penchant-data)' in penchant('help', 'status')[0]
    _, err = penchant(expect=2)
    assert 'usage:' in err


def try_wrong_usage(folder):
    for args, said in ((('recomend',), 'did you mean recommend?'),
                       (('zzzzzz',), 'see penchant help'),
                       (('help', 'trian'), 'did you mean train?'),
                       (('status', '--jsn'), 'did you mean --json?'),
                       (('status', 'extra'), 'unexpected "extra"'),
                       (('recommend', '-k', '0'), '--k takes a whole number from 1 to 1000'),
                       (('recommend', '-k', '3x'), 'not "3x"'),
                       (('recommend', '-k', '-1'), 'not "-1"'),
                       (('train', '--dropout', 'nan'), '--dropout takes a number'),
                       (('train', '--seed', '99999999999999999999'), '--seed takes'),
                       (('status', '--json=yes'), '--json takes no value'),
                       (('similar',), 'give --item'),
                       (('status', '-d'), '--dir needs DIR'),
                       (('bench', 'toppk'), 'did you mean topk')):
        _, err = penchant(*args, expect=2)
        assert said in err and err.startswith('penchant: '), (args, err)
    for command in ('status', 'recommend', 'evaluate', 'train'):
        _, err = penchant(command, '-d', folder / 'nowhere', expect=1)
        assert err.startswith(f'penchant: {command}: '), err
    assert not (folder / 'nowhere').exists()


def write_shop(folder):
    """Three shelves; users stay on one, walk along it and come round again. How many users."""
    rng = random.Random(5)
    with open(folder / 'items.csv', 'w', encoding='utf-8') as f:
        f.write('item_id,title,category,price\n')
        for i in range(60):
            f.write(f'i{i},Thing {i},shelf{i // 20},{5 + i}\n')
    with open(folder / 'events.csv', 'w', encoding='utf-8') as f:
        f.write('user_id,item_id,event,timestamp\n')
        for user in range(200):
            shelf, at = user % 3, rng.randrange(20)
            for step in range(12):
                at = (at + rng.choice((1, 1, 1, 2, 3))) % 20
                event = 'purchase' if step % 5 == 4 else 'view'
                f.write(f'u{user},i{shelf * 20 + at},{event},'
                        f'{1700000000 + user * 1000 + step * 60}\n')
    return 200


def try_lists(shop):
    mine = answer('recommend', '-d', shop, '--user', 'u0', '-k', '5')
    assert len(items(mine)) == 5 and mine['recommendation_id'], mine
    assert all(item['title'].startswith('Thing ') for item in mine['items'])
    scores = [item['score'] for item in mine['items']]
    assert scores == sorted(scores, reverse=True)
    without = answer('recommend', '-d', shop, '-u', 'u0', '-k5', '--exclude',
                     ','.join(items(mine)[:2]) + ',unknown')
    assert not set(items(mine)[:2]) & set(items(without)), without
    shelf = answer('recommend', '-d', shop, '--user', 'u0', '--category', 'shelf2')
    assert items(shelf) and all(int(i[1:]) >= 40 for i in items(shelf)), shelf
    assert len(items(answer('recommend', '-d', shop))) == 10, 'an unknown visitor'
    assert len(items(answer('recommend', '-d', shop, '--user', 'nobody'))) == 10
    bought = [line.split(',')[1] for line in
              (shop.parent / 'events.csv').read_text().splitlines()
              if line.startswith('u0,') and ',purchase,' in line]
    new = answer('recommend', '-d', shop, '--user', 'u0', '-k', '60', '--exclude-purchased')
    assert bought and not set(bought) & set(items(new)), (bought, items(new))
    _, err = penchant('recommend', '-d', shop, '--category', 'no such shelf')
    assert 'there is no item to show' in err, err
    near = answer('similar', '-d', shop, '--item', 'i5', '-k', '5')
    assert 'i5' not in items(near) and len(items(near)) == 5, near
    assert sum(int(i[1:]) < 20 for i in items(near)) >= 4, near
    _, err = penchant('similar', '-d', shop, '--item', 'nothing', expect=1)
    assert 'nothing' in err, err
    why = answer('recommend', '-d', shop, '--user', 'u0', '-k', '5', '--explain')
    assert items(why) == items(mine) and 'evidence' not in mine['items'][0], why
    for item in why['items']:
        parts = sum(part['contribution'] for part in item['evidence'])
        assert abs(parts - item['score']) < 1e-3 and 0 <= item['probability'] <= 1, item
    table, _ = penchant('recommend', '-d', shop, '--user', 'u0', '-k', '3', '--explain')
    assert ' %: ' in table and ' covisitation ' in table, table
    table, _ = penchant('recommend', '-d', shop, '--user', 'u0', '-k', '3')
    assert '%' not in table, table
    assert table.splitlines()[1].split()[0] == '1.' and 'Thing' in table, table


def weights(shop, name='model'):
    """The tensors of the shop's model, without the notes before them."""
    data = (shop / 'model' / f'{name}.safetensors').read_bytes()
    return data[8 + int.from_bytes(data[:8], 'little'):]


def try_training(shop, cases):
    assert answer('status', '-d', shop)['has_model'] is False
    train = ['train', '-d', shop, '-q', '--epochs', '3', '--dim', '16', '--blocks', '1',
             '--heads', '1', '--preset', 'sasrec']
    bits = []
    for seed, threads in (('3', '1'), ('3', '1'), ('4', '2'), ('3', '2'), ('3', '2')):
        trained = answer(*train, '--seed', seed, '--threads', threads)
        bits.append(weights(shop))
    assert bits[0] == bits[1] and bits[3] == bits[4], 'a seed and threads give the same bits'
    assert bits[2] != bits[3] and len(bits[2]) == len(bits[3]), 'another seed gives others'
    assert (trained['preset'], trained['dim'], trained['blocks']) == ('sasrec', 16, 1), trained
    assert trained['epochs'] <= 3 and trained['steps'] > 0 and trained['seed'] == 3, trained
    assert trained['race'] == [] and trained['weight_decay'] == 0, 'one preset does not race'
    status = answer('status', '-d', shop)
    assert status['has_model'] and status['preset'] == 'sasrec' and status['dim'] == 16, status
    assert status['events'] == 2400 and status['users'] == 200 and status['items'] == 60
    assert status['first'] == '2023-11-14T22:13:20Z' and status['slates'] >= 1, status
    quality = answer('evaluate', '-d', shop)
    assert quality['cases'] == cases, (cases, quality)
    assert quality['seen_excluded'] is False, 'these users come back to items'
    over = quality['over_best_single']
    facts = ('cases', 'seen_excluded', 'over_best_single', 'outlook', 'values')
    names = [name for name in quality if name not in facts]
    best = max(names[1:], key=lambda name: quality[name]['ndcg@10']['value'])
    assert over['source'] == best, (over, best)
    for metric in ('ndcg@10', 'mrr@20', 'hr@20'):
        gain = quality['model'][metric]['value'] - quality[best][metric]['value']
        assert abs(over[metric]['value'] - gain) < 1e-5, (metric, over, gain)
    two = answer('evaluate', '-d', shop, '--sources', 'popularity,covisitation')
    assert set(two) - set(facts) == {'model', 'popularity', 'covisitation'}, two
    assert two['popularity'] == quality['popularity'], 'a source alone is what it was'
    _, err = penchant('evaluate', '-d', shop, '--sources', 'friends', expect=1)
    assert 'friends' in err, err
    assert names[0] == 'model' and {'popularity', 'covisitation'} <= set(names), names
    for name in names:
        for metric in ('hr@5', 'hr@10', 'hr@20', 'ndcg@10', 'mrr@20'):
            m = quality[name][metric]
            assert 0 <= m['low'] <= m['value'] <= m['high'] <= 1, (name, metric, m)
    # The served model has learned the held-out events as well, so another one is judged.
    judged, aside = shop / 'model' / 'judged.safetensors', shop / 'model' / 'aside'
    assert weights(shop, 'judged')[:1000] != bits[4][:1000], 'parameters come first'
    judged.rename(aside)
    contaminated = answer('evaluate', '-d', shop)
    aside.rename(judged)
    assert contaminated['sequence'] != quality['sequence'], quality
    assert answer('evaluate', '-d', shop) == quality
    text, _ = penchant('evaluate', '-d', shop)
    assert 'popularity' in text and 'NDCG@10' in text, text
    _, err = penchant('train', '-d', shop, '-q', '--preset', 'nonsense', expect=1)
    assert err.startswith('penchant: train: ') and 'preset' in err, err


def try_race(shop):
    """Without a preset the report says what was tried, in JSON and as a table."""
    train = ['train', '-d', shop, '-q', '--epochs', '10', '--dim', '8', '--blocks', '1',
             '--heads', '1', '--dropout', '0.1']
    race = answer(*train)['race']
    names = [trial['what'] for trial in race]
    assert names[:5] == ['gated', 'hstu', 'sasrec', 'content', 'unchanged'], names
    assert len(names) > 5, names
    assert not any('dropout' in name for name in names), names
    assert sum(trial['taken'] for trial in race[:3]) == 1, race
    text, _ = penchant(*train)
    assert 'tried' in text and '\nunchanged ' in text and ' taken' in text, text


def try_stopping(shop):
    """Ctrl-C ends training with what was best so far; --resume goes on from there."""
    with subprocess.Popen([PENCHANT, 'train', '-d', shop, '--json', '--dim', '64', '--epochs',
                           '100000'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as p:
        for line in p.stderr:  # the first line of progress: it is under way
            if ':' in line:
                break
        time.sleep(0.5)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=120)
    assert p.returncode == 0, (p.returncode, out, err)
    stopped = json.loads(out)
    assert stopped['stopped'] is True and stopped['dim'] == 64, out
    assert stopped['validation_ndcg@10'] > 0, out
    assert answer('status', '-d', shop)['dim'] == 64, 'the best so far is the model'
    assert not (shop / 'model' / 'judged.safetensors').exists(), 'it learned nothing held out'
    on = answer('train', '-d', shop, '-q', '--resume', '--epochs', '1')
    assert on['dim'] == 64 and on['preset'] == stopped['preset'], on
    assert on['validation_ndcg@10'] >= stopped['validation_ndcg@10'], (stopped, on)


def try_beside_a_writer(shop, folder):
    """A shop that another process holds can be read, not written."""
    with open(shop / 'lock', 'w', encoding='utf-8') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status = answer('status', '-d', shop)
        assert status['read_only'] is True, status
        listed = answer('recommend', '-d', shop, '--user', 'u0')
        assert items(listed) and listed['recommendation_id'] is None, listed
        assert items(answer('similar', '-d', shop, '--item', 'i5'))
        _, err = penchant('import', '-d', shop, '--events', folder / 'events.csv', expect=1)
        assert 'another process' in err, err
        assert penchant('export', '-d', shop, '--events', folder / 'out.csv')[0] == ''
    assert answer('status', '-d', shop)['read_only'] is False


def try_documentation():
    made = subprocess.run([ROOT / 'tools/cli_docs', PENCHANT], stdout=subprocess.PIPE,
                          text=True, check=True).stdout
    assert made == (ROOT / 'docs/cli.md').read_text(encoding='utf-8'), \
        'docs/cli.md is not what tools/cli_docs prints'


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        shop = folder / 'shop'
        try_help()
        try_wrong_usage(folder)
        cases = write_shop(folder)
        penchant('import', '-d', shop, '--events', folder / 'events.csv', '--items',
                 folder / 'items.csv', '-q')
        try_lists(shop)
        try_training(shop, cases)
        try_race(shop)
        try_lists(shop)
        try_stopping(shop)
        try_beside_a_writer(shop, folder)
        try_documentation()


if __name__ == '__main__':
    main()
