#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SLOW: measures, and the sanitizers are no machine to measure on
"""`penchant bench` on small sizes: what it prints and keeps, not how fast it is."""
import csv
import json
import os
import pathlib
import subprocess
import tempfile

PENCHANT = os.environ['PENCHANT']
SMALL = {
    'train': ['--dim', '16', '--blocks', '1', '--max-length', '20', '--rounds', '2', '--seconds',
              '0.2'],
    'topk': ['--rows', '3000', '--dim', '33', '--rounds', '3', '--queries', '2', '-k7'],
    'evidence': ['--events', '3000', '--users', '100', '--items', '500', '--requests', '50'],
    'append': ['--events', '60', '--history', '40', '--items', '500', '--dim', '16'],
    'ingest': ['--size', '4000', '--rounds', '2'],
    'serve': ['--items', '500', '--users', '20', '--history', '20', '--seconds', '2', '--rate',
              '100', '--train-seconds', '1', '--dim', '16', '-q'],
}


def bench(*args, expect=0, **more):
    r = subprocess.run([PENCHANT, 'bench', *[str(a) for a in args]], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=300, check=False, **more)
    assert r.returncode == expect, (args, r.returncode, r.stdout, r.stderr)
    return r.stdout, r.stderr


def check_figures(name, f):
    if name == 'train':
        assert f['tokens_per_s'] > 0 and f['peak_mb'] > 1 and f['ratio'] is None, f
        assert 0 < f['share_of_float_peak'] < 1.2, f
    if name == 'topk':
        assert f['same_ids'] == 1, f
        for case in ('random', 'trained', 'duplicate'):
            assert f[case + '_ours_ms'] > 0 and f[case + '_ratio'] > 0, f
    if name == 'evidence':
        assert f['event_mean_us'] > 0 and 0 < f['request_p50_us'] <= f['request_p99_us'], f
        for source in ('covisitation', 'neighbours', 'repeat', 'popularity'):
            assert f[source + '_mean_us'] > 0, f
    if name == 'append':
        assert 0 < f['append_p50_us'] <= f['append_p99_us'] and f['query_mean_us'] > 0, f
        assert f['anew_over_append_and_query'] > 1, 'one event costs less than all of them'
    if name == 'ingest':
        assert f['events'] > 2000 and f['rounds'] == 2, f
        assert f['ours_events_per_s'] > 0 and f['sqlite_events_per_s'] > 0, f
    if name == 'serve':
        assert f['failed'] == 0 and f['requests'] == 160, f  # 2 s at 100/s, a fifth skipped
        assert 0 < f['p50_ms'] <= f['p99_ms'] and 0 < f['idle_p50_ms'], f


def main():
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, 'TMPDIR': folder}
        kept = pathlib.Path(folder) / 'kept'
        kept.mkdir()
        for name, args in SMALL.items():
            path = kept / f'{name}.csv'
            figures = json.loads(bench(name, *args, '--json', '--csv', path, env=env)[0])
            check_figures(name, figures)
            text, _ = bench(name, *args, '--csv', path, env=env)
            assert [line.split()[0] for line in text.splitlines()] == list(figures), text
            with open(path, encoding='utf-8', newline='') as f:
                rows = list(csv.DictReader(f))
            assert len(rows) == 2, rows
            assert list(rows[0])[:5] == ['date', 'commit', 'cpu', 'threads', 'command'], rows
            assert list(rows[0])[5:] == list(figures), rows
            last = list(figures)[-1]
            cell, told = rows[0][last], figures[last]
            assert float(cell) == told if told is not None else cell == 'nan', (cell, told)
            assert rows[0]['command'] == ' '.join(['penchant bench', name, *args]), rows
        figures = json.loads(bench('train', *SMALL['train'], '--catalogue', 30000, '--json',
                                   env=env)[0])
        assert figures['many_items'] == 30000 and figures['ratio'] > 0, figures
        _, err = bench('append', *SMALL['append'], '--csv', kept / 'serve.csv', expect=1, env=env)
        assert 'has other columns' in err, err
        assert os.listdir(folder) == ['kept'], 'nothing is left behind'


if __name__ == '__main__':
    main()
