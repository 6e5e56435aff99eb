# SPDX-License-Identifier: Apache-2.0
# SLOW: the sanitizers keep memory that was freed
"""The memory of an import is that of users, items and a bounded cache, whatever the file's size:
twice the lines of a long log need no more."""
import os
import pathlib
import tempfile

PENCHANT = os.environ['PENCHANT']
BLOCK = ''.join(f'u{i % 997},i{i * 7919 % 5003},view,{1700000000 + i}\n' for i in range(100000))


def peak_mb(folder, blocks):
    log = folder / 'log.csv'
    with open(log, 'w', encoding='utf-8') as f:
        f.write('user_id,item_id,event,timestamp\n')
        for _ in range(blocks):
            f.write(BLOCK)
    size = log.stat().st_size / 1e6
    pid = os.posix_spawn(PENCHANT, [PENCHANT, 'import', '-d', str(folder / f'shop{blocks}'),
                                    '--events', str(log), '-q'], os.environ,
                         file_actions=[(os.POSIX_SPAWN_OPEN, 1, '/dev/null', os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, status
    print(f'{size:.0f} MB of log: peak {usage.ru_maxrss / 1024:.0f} MB')
    return usage.ru_maxrss / 1024


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        once, twice = peak_mb(folder, 16), peak_mb(folder, 32)
        assert twice < once + 4, (once, twice)


if __name__ == '__main__':
    main()
