import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { download } from '../../agent/artifacts/download/download.ts';
import { ArtifactCloneError, isDamage } from '../../agent/artifacts/failures.ts';
import { checkedRefName } from '../../agent/artifacts/git/ref-name.ts';
import { configure } from '../../agent/artifacts/git/repository.ts';
import { failureOf } from '../support/artifacts.ts';
import { everything, look, downloadTest as test } from '../support/downloads.ts';
import { startGitServer } from '../support/git-server.ts';

test('without a name, what the remote calls HEAD comes', async ({ stage: { clone, firstCommit } }) => {
  const downloaded = await download(clone, everything);

  expect(downloaded).toEqual({ commit: firstCommit, tag: null });
  expect(await look(clone, 'rev-parse', 'refs/cartridge-agent/fetched')).toBe(firstCommit);
});

test('a name is a branch before it is a tag', async ({ stage: { clone, remote, firstCommit } }) => {
  await remote.git('tag', 'stable');
  expect(await download(clone, { ...everything, ref: 'stable' })).toEqual({ commit: firstCommit, tag: null });

  await remote.startBranch('stable');
  const onBranch = await remote.commit({ 'index.html': 'on the branch' });

  expect(await download(clone, { ...everything, ref: 'stable' })).toEqual({ commit: onBranch, tag: null });
});

test('a tag with a message is kept for whoever verifies it', async ({ stage: { clone, remote, firstCommit } }) => {
  await remote.git('tag', '--annotate', '--message=the first', 'v1');

  const downloaded = await download(clone, { ...everything, ref: 'v1' });

  expect(downloaded).toEqual({ commit: firstCommit, tag: await remote.git('rev-parse', 'v1') });
  expect(await look(clone, 'rev-parse', 'refs/cartridge-agent/fetched')).toBe(firstCommit);
  expect(await look(clone, 'cat-file', '-p', 'refs/cartridge-agent/tag')).toContain('the first');
  expect(await download(clone, { ...everything, ref: 'v1' })).toEqual(downloaded);
});

test('a tag that was moved is followed, and gone with another wish', async ({ stage: { clone, remote } }) => {
  await remote.git('tag', '--annotate', '--message=one', 'v1');
  await download(clone, { ...everything, ref: 'v1' });
  const later = await remote.commit({ 'index.html': 'later' });
  await remote.git('tag', '--force', '--annotate', '--message=two', 'v1', later);

  expect(await download(clone, { ...everything, ref: 'v1' })).toMatchObject({ commit: later });
  expect(await download(clone, everything)).toEqual({ commit: later, tag: null });
  expect(await look(clone, 'for-each-ref', '--format=%(refname)')).toBe('refs/cartridge-agent/fetched');
});

test('a tag of no commit is a failure that says so', async ({ stage: { clone, remote } }) => {
  await remote.git('tag', 'blob', `${await remote.git('rev-parse', 'main')}:index.html`);

  await expect(download(clone, { ...everything, ref: 'blob' })).rejects.toThrow('no commit');
});

test('a name the remote does not have is in the failure', async ({ stage: { clone } }) => {
  await expect(download(clone, { ...everything, ref: 'gone' })).rejects.toThrow(/gone.*neither a branch nor a tag/);
});

test.for([
  ...['--upload-pack=touch x', '-x', '', ' ', 'a b', 'a\nb', 'a..b', 'a:b', 'a^', 'a~1', 'a*', 'a?', 'a[b'],
  ...['@', 'HEAD', 'a@{1}', '/a', 'a/', 'a//b', '.a', 'a/.b', 'a.lock', 'a.', 'a\\b', 'a'.repeat(300)],
])('%j is refused as a name', (ref) => {
  const act = () => checkedRefName(ref);

  expect(act).toThrow(expect.objectContaining({ code: 'ARTIFACT_REF_REFUSED', lasting: true }));
});

test('a name that is refused never gets to git', async ({ stage: { clone, server } }) => {
  const refused = await failureOf(download(clone, { ...everything, ref: '--upload-pack=touch x' }));

  expect(refused).toMatchObject({ code: 'ARTIFACT_REF_REFUSED' });
  expect(server.requests).toEqual([]);
});

test('names with slashes, signs and other alphabets are names', async ({ stage: { clone, remote } }) => {
  for (const ref of ['release/2.0', '+plus', 'naïve', "quo'te", 'a;b', '$(id)']) {
    await remote.startBranch(ref);
    const commit = await remote.commit({ 'index.html': ref });
    expect(await download(clone, { ...everything, ref })).toMatchObject({ commit });
  }
});

test.for([{ kind: 'serve' }, { kind: 'old' }, { kind: 'files' }] as const)(
  'a commit comes by its id from a server of the kind $kind',
  async (mode, { stage }) => {
    const { server, remote, firstCommit, clone } = stage;
    await remote.commit({ 'index.html': 'second' });
    await remote.git('update-server-info');
    server.mode = mode;
    const pinned = { ...everything, ref: firstCommit.toUpperCase(), isShallow: true };

    const downloaded = await download(clone, pinned);

    expect(downloaded).toEqual({ commit: firstCommit, tag: null });
    expect(await look(clone, 'show', `${firstCommit}:index.html`)).toBe('first');
    expect(await look(clone, 'for-each-ref', '--format=%(refname)')).toBe('refs/cartridge-agent/fetched');
    const asked = server.requests.length;
    expect(await download(clone, pinned)).toEqual(downloaded);
    expect(server.requests).toHaveLength(asked);
  },
);

test.for(['serve', 'old'] as const)(
  'a commit that a server of the kind %s has not is named',
  async (kind, { stage }) => {
    stage.server.mode = { kind };
    const ref = 'deadbeef'.repeat(5);

    await expect(download(stage.clone, { ...everything, ref })).rejects.toThrow(`couldn't find remote ref ${ref}`);
  },
);

test('where nothing has changed, no pack is asked for', async ({ stage: { clone, server } }) => {
  const wanted = { ...everything, isShallow: true };
  const first = await download(clone, wanted);
  const asked = server.requests.length;

  expect(await download(clone, wanted)).toEqual(first);

  const requests = server.requests.slice(asked).map(({ method, url }) => `${method} ${url}`);
  expect(requests).toEqual(['GET /shop.git/info/refs?service=git-upload-pack', 'POST /shop.git/git-upload-pack']);
});

test('refs that git has packed are found too', async ({ stage: { clone, remote } }) => {
  await remote.git('tag', '--annotate', '--message=one', 'v1');
  const wanted = { ...everything, ref: 'v1' };
  const first = await download(clone, wanted);
  await look(clone, 'pack-refs', '--all', '--prune');

  expect(await download(clone, wanted)).toEqual(first);
  expect(await download(clone, everything)).toEqual({ ...first, tag: null });
  expect(await look(clone, 'for-each-ref', '--format=%(refname)')).toBe('refs/cartridge-agent/fetched');
});

test('a shallow clone has no history, and gets one when it is wanted', async ({ stage: { clone, remote } }) => {
  await remote.commit({ 'index.html': 'second' });
  const wanted = { ...everything, isShallow: true };
  await download(clone, wanted);
  expect(await look(clone, 'rev-list', '--count', 'refs/cartridge-agent/fetched')).toBe('1');

  await remote.commit({ 'index.html': 'third' });
  await remote.commit({ 'index.html': 'fourth' });
  await download(clone, wanted);
  expect(await look(clone, 'rev-list', '--count', 'refs/cartridge-agent/fetched')).toBe('1');

  await download(clone, { ...everything, isShallow: false });
  expect(await look(clone, 'rev-list', '--count', 'refs/cartridge-agent/fetched')).toBe('4');
  expect(await look(clone, 'rev-parse', '--is-shallow-repository')).toBe('false');
});

test('a server that knows no shallow clones gives all of it', async ({ stage: { clone, remote, server } }) => {
  const commit = await remote.commit({ 'index.html': 'second' });
  await remote.git('update-server-info');
  server.mode = { kind: 'files' };

  const downloaded = await download(clone, { ...everything, isShallow: true });

  expect(downloaded).toEqual({ commit, tag: null });
  expect(await look(clone, 'rev-list', '--count', commit)).toBe('2');
});

test.for([true, false])('history that was rewritten is followed (shallow: %s)', async (isShallow, { stage }) => {
  const { clone, remote } = stage;
  await remote.commit({ 'index.html': 'second' });
  await download(clone, { ...everything, isShallow });
  await remote.forget();
  const commit = await remote.commit({ 'start.html': 'anew' });

  expect(await download(clone, { ...everything, isShallow })).toMatchObject({ commit });
  expect(await look(clone, 'ls-tree', '--name-only', commit)).toBe('start.html');
});

test('another URL is used from then on', async ({ stage: { clone, server } }) => {
  await download(clone, { ...everything, isShallow: true });
  const other = await server.createRepository('other.git');
  const commit = await other.commit({ 'other.html': 'other' });

  await configure(clone, other.url);

  expect(await download(clone, { ...everything, isShallow: true })).toMatchObject({ commit });
});

test('with tags, those of a commit that is here come too, and go again', async ({ stage: { clone, remote } }) => {
  const wanted = { ...everything, isShallow: true, withTags: true };
  await download(clone, wanted);
  await remote.git('tag', '--annotate', '--message=signed later', 'v1');
  const tags = async () => await look(clone, 'for-each-ref', '--format=%(refname)', 'refs/cartridge-agent/tags/');

  const downloaded = await download(clone, wanted);
  expect(downloaded.tag).toBeNull();
  expect(await tags()).toBe('refs/cartridge-agent/tags/v1');

  await remote.git('tag', '--delete', 'v1');
  await download(clone, wanted);
  expect(await tags()).toBe('');
});

test('a tree that would write into .git is refused', async ({ stage: { clone, remote, folder } }) => {
  const inner = await remote.git('rev-parse', 'main^{tree}');
  const tree = join(folder, 'tree');
  await writeFile(tree, Buffer.concat([Buffer.from('40000 .GIT\0'), Buffer.from(inner, 'hex')]));
  const id = await remote.git('hash-object', '-t', 'tree', '-w', '--literally', tree);
  await remote.git('update-ref', 'refs/heads/main', await remote.git('commit-tree', '-m', 'evil', id));

  await expect(download(clone, everything)).rejects.toThrow(/hasDotgit/);

  expect(await look(clone, 'for-each-ref')).toBe('');
});

test('a corrupt pack is refused, and it is not this clone that is to blame', async ({ stage }) => {
  const { server, remote, firstCommit, clone } = stage;
  await download(clone, everything);
  const commit = await remote.commit({ 'big.bin': randomBytes(400_000) });
  server.mode = { kind: 'corrupt', atByte: 200_000 };

  const error = await failureOf(download(clone, everything));

  expect(isDamage(error)).toBe(false);
  expect(failed(error).remedy).toContain('git fsck');
  expect(await look(clone, 'rev-parse', 'refs/cartridge-agent/fetched')).toBe(firstCommit);
  server.mode = { kind: 'serve' };
  expect(await download(clone, everything)).toMatchObject({ commit });
});

test('a server that redirects in a circle is left alone', async ({ stage: { server, clone } }) => {
  server.mode = { kind: 'redirect', to: server.url };

  await failureOf(download(clone, everything));

  expect(server.requests.length).toBeLessThan(50);
});

test('what is public may have moved', async ({ stage: { server, clone } }) => {
  await using elsewhere = await startGitServer();
  const moved = await elsewhere.createRepository('shop.git');
  const commit = await moved.commit({ 'index.html': 'moved' });
  server.mode = { kind: 'redirect', to: elsewhere.url };

  expect(await download(clone, everything)).toMatchObject({ commit });
});

function failed(cause: unknown): ArtifactCloneError {
  return new ArtifactCloneError({ tenantId: '1', repoUrl: 'http://h/a', path: '/srv' }, { cause });
}
