import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test as base, describe, expect } from 'vitest';
import { createGit } from '../agent/artifacts/git/git.ts';
import { type Repository, repositoryIn } from '../agent/artifacts/git/repository.ts';
import { fingerprintOf } from '../agent/artifacts/trust/fingerprint.ts';
import { readCommitFacts } from '../agent/artifacts/trust/provenance.ts';
import { shortFingerprint } from '../state/provenance.ts';

const execute = promisify(execFile);

/** A repository, and git in it as a person runs it; in bytes, for not all of git is UTF-8. */
interface Tree {
  readonly folder: string;
  readonly repository: Repository;
  git(args: readonly string[], options?: { input?: string | Buffer; env?: Record<string, string> }): Promise<string>;
  /** Commits all that is in the folder. */
  commit(message?: string): Promise<string>;
}

const test = base.extend<{ tree: Tree }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from here.
  tree: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'tree-'));
    await use(await treeIn(folder));
    await rm(folder, { recursive: true, force: true });
  },
});

describe('the fingerprint of a commit', () => {
  test('is what its recipe says, for every kind of file and path', async ({ tree }) => {
    const commit = await commitOfEverything(tree);

    const fingerprint = await fingerprintOf(tree.repository, commit);

    expect(fingerprint).toBe(await byRecipe(tree, commit));
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(shortFingerprint(fingerprint)).toBe(`tree:${fingerprint.slice(0, 12)}`);
  });

  test('is of the commit alone: neither attributes, local changes nor history have a part in it', async ({ tree }) => {
    await writeFile(join(tree.folder, 'a.txt'), 'one\ntwo\n');
    await writeFile(join(tree.folder, '.gitattributes'), '*.txt text eol=crlf export-subst ident\n');
    const commit = await tree.commit('one');
    const before = await fingerprintOf(tree.repository, commit);

    await writeFile(join(tree.folder, 'a.txt'), 'changed\n');
    await tree.git(['replace', '--force', `${commit}:a.txt`, await tree.git(['hash-object', '-w', 'a.txt'])]);
    await tree.git(['checkout', '--quiet', '--orphan', 'other', commit]);
    const otherHistory = await tree.git(['commit-tree', `${commit}^{tree}`, '-m', 'other']);

    expect(await fingerprintOf(tree.repository, commit)).toBe(before);
    expect(await fingerprintOf(tree.repository, otherHistory)).toBe(before);
  });

  test.for([
    { summary: 'content', change: (folder: string) => writeFile(join(folder, 'a'), 'B') },
    { summary: 'mode', change: (folder: string) => chmod(join(folder, 'a'), 0o755) },
    {
      summary: 'path',
      change: (folder: string) => writeFile(join(folder, 'b'), 'a').then(() => rm(join(folder, 'a'))),
    },
    {
      summary: 'kind',
      change: (folder: string) => rm(join(folder, 'a')).then(() => symlink('a', join(folder, 'a'))),
    },
  ])('is another one when the $summary of a file is', async ({ change }, { tree }) => {
    await writeFile(join(tree.folder, 'a'), 'a');
    const before = await fingerprintOf(tree.repository, await tree.commit());

    await change(tree.folder);

    expect(await fingerprintOf(tree.repository, await tree.commit())).not.toBe(before);
  });

  test('of no files is that of nothing, and of submodules alone that of their commits', async ({ tree }) => {
    const none = await tree.git(['commit-tree', await tree.git(['mktree'], { input: '' }), '-m', 'none']);
    const id = 'a'.repeat(40);
    const onlyModules = await tree.git(['mktree', '--missing'], { input: `160000 commit ${id}\tlib\n` });

    expect(await fingerprintOf(tree.repository, none)).toBe(sha256(''));
    expect(await fingerprintOf(tree.repository, onlyModules)).toBe(sha256(`160000 ${id}\tlib\0`));
  });

  test('of 10,000 files and 128 MiB takes seconds, and little memory', async ({ tree }) => {
    const commit = await commitOfMany(tree, { files: 10_000, largeBytes: 134_217_728 });
    const before = process.memoryUsage.rss();
    const since = performance.now();

    const fingerprint = await fingerprintOf(tree.repository, commit);

    expect(performance.now() - since).toBeLessThan(10_000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(110_000_000);
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
  });

  test('cannot be told when an object is gone', async ({ tree }) => {
    await writeFile(join(tree.folder, 'a'), 'a');
    const commit = await tree.commit();
    const id = await tree.git(['rev-parse', `${commit}:a`]);
    await rm(join(tree.folder, '.git', 'objects', id.slice(0, 2), id.slice(2)));

    await expect(fingerprintOf(tree.repository, commit)).rejects.toThrow(`${id} missing`);
  });
});

describe('the facts of a commit', () => {
  test('are its author date in UTC, and the first paragraph of its message', async ({ tree }) => {
    const env = { GIT_AUTHOR_DATE: '2026-03-04T11:52:11+02:00', GIT_COMMITTER_DATE: '2026-03-05T00:00:00Z' };
    const args = ['commit', '--quiet', '--allow-empty', '-m', 'Fix\nlogin für alle', '-m', 'Details.'];
    await tree.git(args, { env });
    const commit = await tree.git(['rev-parse', 'HEAD']);

    const facts = await readCommitFacts(tree.repository, commit);

    expect(facts).toEqual({ commit, authorDate: '2026-03-04T09:52:11Z', subject: 'Fix login für alle' });
  });

  test('show what they say, whatever the author has written there', async ({ tree }) => {
    const commit = async (author: string, message: string | Buffer) => {
      const empty = await tree.git(['mktree'], { input: '' });
      const head = `tree ${empty}\nauthor A <a@b> ${author}\ncommitter A <a@b> 0 +0000\n\n`;
      const input = Buffer.concat([Buffer.from(head), Buffer.from(message)]);
      return await tree.git(['hash-object', '-t', 'commit', '-w', '--stdin', '--literally'], { input });
    };
    const facts = async (author: string, message: string | Buffer) =>
      await readCommitFacts(tree.repository, await commit(author, message));

    const evil = await facts('1 +0000', '\u001b[2J\u202Eevil\u0007');
    const bytes = await facts('99999999999999 +0000', Buffer.from([0xff, 0xfe, 0x41]));
    const long = await facts('-5 +0000', 'x'.repeat(10_000));
    const huge = await facts('1 +0000', 'y'.repeat(2_000_000));
    const none = await facts('', '');

    expect(evil).toMatchObject({ authorDate: '1970-01-01T00:00:01Z', subject: '?[2J?evil?' });
    expect(bytes.subject).toMatch(/A$/);
    expect(long.subject).toHaveLength(250);
    expect(huge.subject).toBe('');
    expect(none.subject).toBe('');
    for (const { authorDate } of [bytes, long, huge, none])
      expect(authorDate ?? '2000-01-01T00:00:00Z').toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });
});

async function treeIn(folder: string): Promise<Tree> {
  const name = { GIT_AUTHOR_NAME: 'A', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'A', GIT_COMMITTER_EMAIL: 'a@b' };
  const own = { PATH: process.env['PATH'], HOME: folder, GIT_CONFIG_NOSYSTEM: '1', ...name };
  const git: Tree['git'] = async (args, { input = '', env = {} } = {}) => {
    const running = execute('git', args, { cwd: folder, env: { ...own, ...env }, maxBuffer: 1e8 });
    running.child.stdin?.on('error', () => {}).end(input); // Most commands of git do not read it.
    return (await running).stdout.replace(/\n$/, '');
  };
  await git(['init', '--quiet']);
  const agentGit = createGit({ protocols: ['https'], environment: process.env });
  return {
    folder,
    git,
    repository: repositoryIn(folder, agentGit, { tree: folder, signal: new AbortController().signal }),
    async commit(message = 'all') {
      await git(['add', '--all', '--force']);
      await git(['commit', '--quiet', '-m', message]);
      return await git(['rev-parse', 'HEAD']);
    },
  };
}

/** Names that sort in surprising ways or are no text, contents without end or with none, links, programs, submodules. */
async function commitOfEverything({ folder, git }: Tree): Promise<string> {
  await mkdir(join(folder, 'a'));
  const contents: [string, string | Buffer][] = [
    ['a/inside', 'x\n'],
    ['a.txt', 'no line feed'],
    ['a-b', 'x\n'],
    ['empty', ''],
    ['two\nlines\tand "quotes" ü', 'ü'],
    ['binary', Buffer.from([0, 10, 255, 254, 13, 10])],
    ['looks like a header', `${'b'.repeat(40)} blob 5\nhello\n`],
    ['large', Buffer.alloc(300_000, 'line\n')],
  ];
  for (const [path, content] of contents) await writeFile(join(folder, path), content);
  await writeFile(Buffer.concat([Buffer.from(join(folder, 'latin-')), Buffer.from([0xe9])]), 'latin');
  await writeFile(join(folder, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  await symlink('../outside\n', join(folder, 'link'));
  await git(['update-index', '--add', '--cacheinfo', `160000,${'c'.repeat(40)},aa/module`]);
  await git(['update-index', '--add', '--cacheinfo', `160000,${'d'.repeat(40)},zz/module`]);
  await git(['add', '--force', ...contents.map(([path]) => path), 'run.sh', 'link', 'latin-*']);
  await git(['commit', '--quiet', '-m', 'everything']);
  return await git(['rev-parse', 'HEAD']);
}

/** The lines of bash that the documentation of `fingerprintOf` gives people, as they are there. */
async function byRecipe({ folder }: Tree, commit: string): Promise<string> {
  const source = readFileSync(new URL('../agent/artifacts/trust/fingerprint.ts', import.meta.url), 'utf8');
  const recipe = /```sh\n(.*?) \* ```/s.exec(source)?.[1]?.replaceAll(/^ \* ?/gm, '') ?? '';
  expect(recipe).toContain('| sha256sum');
  const { stdout } = await execute('bash', ['-c', recipe.replace('COMMIT', commit)], { cwd: folder });
  return stdout.split(' ')[0] ?? '';
}

/** By fast-import, which is what makes 10,000 files a matter of a second. */
async function commitOfMany(
  { folder, git }: Tree,
  { files, largeBytes }: { files: number; largeBytes: number },
): Promise<string> {
  const importing = spawn('git', ['fast-import', '--quiet'], { cwd: folder, stdio: ['pipe', 'ignore', 'inherit'] });
  const { promise: done, resolve } = Promise.withResolvers<void>();
  importing.once('close', () => resolve());
  importing.stdin.write('commit refs/heads/many\ncommitter A <a@b> 0 +0000\ndata 4\nmany\n');
  for (let index = 0; index < files; index += 1)
    importing.stdin.write(`M 100644 inline dir${index % 100}/file${index}.txt\ndata <<END\ncontent ${index}\nEND\n`);
  importing.stdin.write(`M 100644 inline large\ndata ${largeBytes}\n`);
  importing.stdin.write(Buffer.alloc(largeBytes, 'some text that is long '));
  importing.stdin.end('\n');
  await done;
  return await git(['rev-parse', 'refs/heads/many']);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
