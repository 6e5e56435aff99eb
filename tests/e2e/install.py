#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SLOW: what is installed is the plain build
"""`make install` into a folder; the example built against it with pkg-config, both ways."""
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ['BUILD'])


def run(*command, **more):
    r = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, check=False, **more)
    assert r.returncode == 0, (command, r.stdout, r.stderr)
    return r.stdout


def installed_files(dest):
    return sorted(str(p.relative_to(dest)) for p in dest.rglob('*') if not p.is_dir())


def pkg_config(dest, *args):
    """Answers relocated into the folder, as a packager's build would see them."""
    env = {**os.environ, 'PKG_CONFIG_PATH': str(dest / 'usr/lib/pkgconfig'),
           'PKG_CONFIG_SYSROOT_DIR': str(dest)}
    return run('pkg-config', *args, 'penchant', env=env).split()


def lines_of(program, folder, **env):
    out = run(program, folder, env={**os.environ, **env}).splitlines()
    assert len(out) == 2, out
    lists = [line.removeprefix('for dee:').split() for line in out]
    assert lists[0] and lists[1], 'an unknown visitor gets a list'
    assert lists[0] != lists[1], 'the event changes the next list'
    assert lists[1][0] == 'lamp', f'who saw the rug saw the lamp: {lists}'
    return lists


def main():
    example = ROOT / 'examples/shop.c'
    lines = len(example.read_text().splitlines())
    assert lines <= 60, f'the example has {lines} lines'
    includes = [line.split()[1] for line in example.read_text().splitlines()
                if line.startswith('#include')]
    assert includes == ['<penchant.h>', '<stdio.h>'], includes

    with tempfile.TemporaryDirectory() as folder:
        dest = pathlib.Path(folder) / 'dest'
        build = BUILD.relative_to(ROOT) if BUILD.is_relative_to(ROOT) else BUILD
        run('make', '-s', '-C', ROOT, 'install', f'BUILD={build}', f'DESTDIR={dest}',
            'PREFIX=/usr', env={k: v for k, v in os.environ.items() if k != 'MAKEFLAGS'})
        assert installed_files(dest) == [
            'usr/bin/penchant', 'usr/include/penchant.h', 'usr/lib/libpenchant.a',
            'usr/lib/libpenchant.so', 'usr/lib/libpenchant.so.0',
            'usr/lib/pkgconfig/penchant.pc'], installed_files(dest)
        version = run(dest / 'usr/bin/penchant', '--version').split()[1]
        assert pkg_config(dest, '--modversion') == [version]

        flags = ['-std=c17', '-Wall', '-Wextra', '-Werror']
        shared = pathlib.Path(folder) / 'shared'
        run('gcc', *flags, example, '-o', shared, *pkg_config(dest, '--cflags', '--libs'))
        first = lines_of(shared, pathlib.Path(folder) / 'a',
                         LD_LIBRARY_PATH=str(dest / 'usr/lib'))

        (dest / 'usr/lib/libpenchant.so').unlink()  # so that -lpenchant finds the archive
        static = pathlib.Path(folder) / 'static'
        run('gcc', *flags, example, '-o', static,
            *pkg_config(dest, '--static', '--cflags', '--libs'))
        assert 'libpenchant' not in run('ldd', static), 'linked with the archive'
        assert lines_of(static, pathlib.Path(folder) / 'b') == first


if __name__ == '__main__':
    main()
