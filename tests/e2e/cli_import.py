#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`penchant import` and `export` as a user meets them: shapes of files, complaints, limits,
all or nothing, and back out again."""
import csv
import gzip
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

PENCHANT = os.environ['PENCHANT']
LOG = ('user_id,item_id,event,timestamp,value\n'
       'ann,tea,view,1700000000,\n'
       'ann,pot,purchase,1700000060,25.5\n'
       'ann,pot,view,1700000090,\n'
       'bob,tea,view,1700000100,\n'
       'bob,"cup, blue",cart,1700000200,4\n')
EVENTS = 5
ITEMS = ('item_id,title,category,brand,price\n'
         'tea,Green Tea 绿茶,kitchen|kitchen/tea,Haru,12.9\n'
         'rug,"Rug ""Fjord""",home,,120\n')


def penchant(*args, stdin=None, expect=0):
    r = subprocess.run([PENCHANT, *[str(a) for a in args]], input=stdin,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert r.returncode == expect, (args, r.returncode, r.stdout, r.stderr)
    return r.stdout.decode(), r.stderr.decode()


def report(shop, *args, **more):
    out, _ = penchant('import', '-d', shop, '--json', '-q', *args, **more)
    return json.loads(out)


def status(shop):
    return json.loads(penchant('status', '-d', shop, '--json')[0])


def exported(shop):
    out, _ = penchant('export', '-d', shop, '--events', '-')
    return list(csv.DictReader(io.StringIO(out)))


def try_shapes(folder):
    """The same log in every wrapping gives the same shop."""
    lines = list(csv.DictReader(io.StringIO(LOG)))
    for line in lines:
        line['timestamp'] = int(line['timestamp'])
        line['value'] = float(line['value']) if line['value'] else None
    ndjson = ''.join(json.dumps({k: v for k, v in line.items() if v is not None}) + '\n'
                     for line in lines)
    milliseconds = re.sub(r'(17\d{8})', r'\g<1>000', LOG)
    rfc3339 = re.sub(r'17\d{8}', lambda m: time.strftime(
        '%Y-%m-%dT%H:%M:%SZ', time.gmtime(int(m.group()))), LOG)
    (folder / 'milliseconds.csv').write_text(milliseconds)
    (folder / 'rfc3339.csv').write_text(rfc3339)
    (folder / 'plain.csv').write_text(LOG)
    (folder / 'lines.json').write_text(ndjson)
    (folder / 'packed.csv.gz').write_bytes(gzip.compress(LOG.encode()))
    (folder / 'other.csv').write_text(LOG.replace('user_id', 'who').replace('item_id', 'sku'))
    subprocess.run(['zstd', '-q', folder / 'lines.json', '-o', folder / 'lines.json.zst'],
                   check=True)
    shops = []
    for i, args in enumerate([['plain.csv'], ['lines.json'], ['packed.csv.gz'],
                              ['lines.json.zst'], ['-'], ['milliseconds.csv'],
                              ['rfc3339.csv'],
                              ['other.csv', '--map', 'user_id=who,item_id=sku']]):
        shop = folder / f'shape{i}'
        args = [args[0] if args[0] == '-' else folder / args[0], *args[1:]]
        r = report(shop, '--events', *args, stdin=LOG.encode())
        assert (r['events'], r['errors'], r['users'], r['items']) == (EVENTS, 0, 2, 3), r
        assert r['has_clock'] is True, r
        shops.append(exported(shop))
    assert all(shop == shops[0] for shop in shops), shops
    assert [e['item_id'] for e in shops[0]] == ['tea', 'pot', 'pot', 'tea', 'cup, blue']
    assert [e['event'] for e in shops[0]][:2] == ['view', 'purchase']
    assert float(shops[0][1]['value']) == 25.5


def try_round_trip(folder):
    """What export writes, import reads; a second export is the same bytes."""
    (folder / 'log.csv').write_text(LOG)
    (folder / 'items.csv').write_text(ITEMS)
    first, second = folder / 'first', folder / 'second'
    r = report(first, '--events', folder / 'log.csv', '--items', folder / 'items.csv')
    assert r['items'] == 4, r
    out = [folder / 'e1.csv', folder / 'i1.csv', folder / 'e2.csv', folder / 'i2.csv']
    penchant('export', '-d', first, '--events', out[0], '--items', out[1])
    report(second, '--events', out[0], '--items', out[1])
    penchant('export', '-d', second, '--events', out[2], '--items', out[3])
    assert out[0].read_bytes() == out[2].read_bytes()
    by_id = [{row['item_id']: row for row in csv.DictReader(io.StringIO(p.read_text()))}
             for p in (out[1], out[3])]
    assert by_id[0] == by_id[1]
    assert by_id[0]['rug']['title'] == 'Rug "Fjord"' and '绿茶' in by_id[0]['tea']['title']


def try_complaints(folder):
    """Bad lines are named, skipped and counted; past --max-errors nothing remains."""
    bad = folder / 'bad.csv'
    bad.write_text(LOG + 'cem,tea,view,yesterday,\n,tea,view,1700000300,\ncem,tea,view,1700000400,\n')
    shop = folder / 'complaints'
    out, err = penchant('import', '-d', shop, '--events', bad, '-q')
    complaints = [line for line in err.splitlines() if line.startswith(str(bad))]
    assert len(complaints) == 2, err
    assert f'{bad}:7: timestamp: ' in complaints[0], complaints
    assert f'{bad}:8: ' in complaints[1] and 'user_id' in complaints[1], complaints
    assert 'bad lines' in out and status(shop)['events'] == EVENTS + 1
    _, err = penchant('import', '-d', shop, '--events', bad, '--max-errors', 1, expect=1)
    assert 'nothing of this import was kept' in err, err
    assert status(shop)['events'] == EVENTS + 1, 'the shop is as it was before'
    strict = folder / 'strict'
    penchant('import', '-d', strict, '--events', bad, '--max-errors', 0, expect=1)
    assert status(strict)['events'] == 0 and status(strict)['users'] == 0


def try_check_and_ids(folder):
    """--check keeps nothing; an event_id that is known is not taken twice."""
    shop = folder / 'ids'
    log = folder / 'ids.csv'
    log.write_text('event_id,user_id,item_id,event,timestamp\n'
                   'a1,ann,tea,view,1700000000\na2,ann,pot,view,1700000001\n')
    r = report(shop, '--events', log, '--check')
    assert r['check'] is True and (r['events'], r['users'], r['items']) == (2, 1, 2), r
    assert not shop.exists(), 'a check makes no shop'
    assert report(shop, '--events', log)['events'] == 2
    report(shop, '--events', log, '--check')
    assert status(shop)['events'] == 2
    r = report(shop, '--events', log)
    assert (r['events'], r['duplicates']) == (0, 2), r
    plain = folder / 'repeated.csv'
    plain.write_text(LOG + LOG.split('\n', 1)[1])
    again = folder / 'repeated'
    assert report(again, '--events', plain)['events'] == 2 * EVENTS, 'repetitions are kept'


def big_log(path, n):
    with open(path, 'w', encoding='utf-8') as f:
        f.write('user_id,item_id,event,timestamp\n')
        for i in range(n):
            f.write(f'u{i % 997},i{i * 7919 % 5003},view,{1700000000 + i}\n')


def try_interruptions(folder):
    """Ctrl-C and kill -9 in the middle leave the shop as it was."""
    shop, log = folder / 'interrupted', folder / 'big.csv'
    (folder / 'small.csv').write_text(LOG)
    report(shop, '--events', folder / 'small.csv')
    big_log(log, 400000)
    stopped = 0
    for number, pause in ((signal.SIGINT, 0.2), (signal.SIGKILL, 0.1), (signal.SIGKILL, 0.3)):
        with subprocess.Popen([PENCHANT, 'import', '-d', shop, '--events', log, '-q'],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
            time.sleep(pause)
            p.send_signal(number)
            code = p.wait(60)
        if code != 0:
            stopped += 1
            assert code in (1, -signal.SIGKILL, -signal.SIGINT), code
            assert status(shop)['events'] == EVENTS, (number, status(shop))
            assert len(exported(shop)) == EVENTS
        else:  # it was faster than the signal: begin again
            report(folder / f'again{pause}', '--events', folder / 'small.csv')
            shop = folder / f'again{pause}'
    assert stopped, 'at least one import was stopped in the middle'


def try_wrong_usage(folder):
    _, err = penchant('import', '-d', folder / 'usage', expect=2)
    assert 'give --events, --items or --vectors' in err, err
    _, err = penchant('import', '-d', folder / 'usage', '--events', folder / 'none.csv', expect=1)
    assert 'none.csv' in err, err
    _, err = penchant('export', '-d', folder / 'no-shop', '--events', '-', expect=1)
    assert err.startswith('penchant: export: '), err
    assert not (folder / 'no-shop').exists(), 'export makes no shop'


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in (try_shapes, try_round_trip, try_complaints, try_check_and_ids,
                     try_interruptions, try_wrong_usage):
            part(folder)
            print('ok', part.__name__)


if __name__ == '__main__':
    main()
