#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SLOW: runs no program of ours
"""tools/check catches one violation of each kind, in a copy of the tree."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PARTS = ('Makefile', 'include', 'src', 'tests', 'tools', 'examples', 'docs', '.clang-format',
         'README.md', 'ARCHITECTURE.md')


def copy_tree(to):
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, to / part)
        elif source.exists():
            shutil.copy2(source, to / part)


def check(tree, name, **env):
    r = subprocess.run([tree / 'tools/check', name], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, env={**os.environ, **env},
                       check=False)
    return r.returncode, r.stdout


def add(path, text):
    """Appends, and gives back how to undo it."""
    before = path.read_text() if path.exists() else None
    path.write_text((before or '') + text)
    return lambda: path.unlink() if before is None else path.write_text(before)


def change(path, old, new):
    before = path.read_text()
    assert old in before, (path, old)
    path.write_text(before.replace(old, new, 1))
    return lambda: path.write_text(before)


LICENCE = '/* SPDX-License-Identifier: Apache-2.0 */\n'


def violations(t):
    """(check, what must be said, how to commit it)"""
    base, cli = t / 'src/base', t / 'src/cli'
    return [
        ('layers', r'base comes before engine',
         lambda: [add(t / 'src/engine/zz.h', LICENCE),
                  add(base / 'buf.c', '#include "engine/zz.h"\n')]),
        ('layers', r'cli may not include model/model.h',
         lambda: [add(cli / 'cli.c', '#include "model/model.h"\n')]),
        ('layers', r'server may not include behaviour/event.h',
         lambda: [add(t / 'src/server/zz.c', '# include "behaviour/event.h"\n')]),
        ('layers', r'there is no base/nowhere.h',
         lambda: [add(base / 'buf.c', '#include "base/nowhere.h"\n')]),
        ('layers', r'attic is no layer',
         lambda: [(t / 'src/attic').mkdir() or add(t / 'src/attic/zz.c', LICENCE)]),
        ('layers', r'only lab, store may include <sqlite3.h>',
         lambda: [add(base / 'buf.c', '#include <sqlite3.h>\n')]),
        ('layers', r'an example includes only penchant.h',
         lambda: [add(t / 'examples/zz.c', '#include "base/buf.h"\n')]),
        ('cycles', r'src/base/zy.h -> src/base/zz.h -> src/base/zy.h',
         lambda: [add(base / 'zz.h', '#include "base/zy.h"\n'),
                  add(base / 'zy.h', '#include "base/zz.h"\n')]),
        ('headers', r'src/base/zz.h does not compile alone',
         lambda: [add(base / 'zz.h', 'size_t zz(struct unknown_here x);\n')]),
        ('headers', r'include/penchant.h does not compile alone',
         lambda: [change(t / 'include/penchant.h', '#include <stdint.h>\n', '')]),
        ('format', r'src/base/zz.c: clang-format would change it',
         lambda: [add(base / 'zz.c', LICENCE + 'int  zz;\n')]),
        ('banned', r'src/base/zz.c uses strcpy\(\)',
         lambda: [add(base / 'zz.c', 'void f(char *a) { strcpy (a, "x"); }\n')]),
        ('banned', r'banned.h does not poison sprintf',
         lambda: [change(base / 'banned.h', ' sprintf', '')]),
        ('banned', r'Makefile does not force',
         lambda: [change(t / 'Makefile', '-include src/base/banned.h', '')]),
        ('text', r'src/base/zz.c:2: trailing blanks',
         lambda: [add(base / 'zz.c', LICENCE + 'int zz; \n')]),
        ('text', r'src/base/zz.c:2: a tab',
         lambda: [add(base / 'zz.c', LICENCE + '\tint zz;\n')]),
        ('text', r'src/base/zz.c: no line feed',
         lambda: [add(base / 'zz.c', LICENCE + 'int zz;')]),
        ('text', r'src/base/zz.c: no licence line', lambda: [add(base / 'zz.c', 'int zz;\n')]),
        ('docs', r'README.md links to docs/nowhere.md',
         lambda: [add(t / 'README.md', '[more](docs/nowhere.md)\n')]),
        ('docs', r'ARCHITECTURE.md names nowhere.c',
         lambda: [add(t / 'ARCHITECTURE.md', '`nowhere.c`\n')]),
        ('docs', r'ARCHITECTURE.md names do_nothing\(\)',
         lambda: [add(t / 'ARCHITECTURE.md', '`do_nothing()`\n')]),
        ('names', r'src/cli/buf.c: src/base/buf.c has the same name',
         lambda: [add(cli / 'buf.c', LICENCE)]),
    ]


def try_violations(tree):
    for name, expected, commit in violations(tree):
        _, before = check(tree, name)
        assert not re.search(expected, before), (name, expected, before)
        undo = commit()
        status, said = check(tree, name)
        for back in undo:
            back()
        assert status == 1 and re.search(expected, said), (name, expected, said)
        print(f'{name}: caught "{re.search(expected, said).group()}"')


def library(build, names):
    code = build / 'zz.c'
    code.write_text(''.join(f'int {n}(void);\nint {n}(void) {{ return 0; }}\n' for n in names))
    subprocess.run(['gcc', '-shared', '-fPIC', code, '-o', build / 'libpenchant.so'], check=True)
    subprocess.run(['gcc', '-c', code, '-o', build / 'zz.o'], check=True)
    (build / 'libpenchant.a').unlink(missing_ok=True)
    subprocess.run(['ar', 'rcs', build / 'libpenchant.a', build / 'zz.o'], check=True)


def try_symbols(tree, build):
    public = re.findall(r'\b(penchant_\w+)\(', re.sub(
        r'/\*.*?\*/', '', (tree / 'include/penchant.h').read_text(), flags=re.S))
    public = sorted({name for name in public if not name.endswith('_fn')})  # types
    library(build, public)
    status, said = check(tree, 'symbols', BUILD=str(build))
    assert status == 0, said
    library(build, public + ['buf_init'])
    status, said = check(tree, 'symbols', BUILD=str(build))
    assert status == 1 and 'libpenchant.so exports buf_init' in said, said
    assert 'libpenchant.a exports buf_init' in said, said
    library(build, public[1:])
    status, said = check(tree, 'symbols', BUILD=str(build))
    assert status == 1 and f'libpenchant.a lacks {public[0]}' in said, said
    print('symbols: caught a foreign name and a missing one')


def main():
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder) / 'tree'
        build = pathlib.Path(folder) / 'build'
        tree.mkdir()
        build.mkdir()
        copy_tree(tree)
        (tree / 'examples').mkdir(exist_ok=True)
        (tree / 'src/engine').mkdir(exist_ok=True)
        try_violations(tree)
        try_symbols(tree, build)
        status, said = check(tree, 'nothing')
        assert status == 1 and 'there is no check nothing' in said, said


if __name__ == '__main__':
    main()
