import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, lstat, mkdtemp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { createGit } from '../../agent/artifacts/git/git.ts';
import { repositoryIn } from '../../agent/artifacts/git/repository.ts';
import { openReleases, type Releases } from '../../agent/artifacts/releases/releases.ts';
import { filesIn, never, writeFiles } from '../support/artifacts.ts';
import { open, pointsOf, type Site, serve, siteTest as test, work } from '../support/releases.ts';

const reader = new URL('../support/release-reader.ts', import.meta.url).pathname;

test('killed -9 at any step of first release, update and way back, an agent goes on', { timeout: 120_000 }, async ({
  site,
}) => {
  const [one = '', two = '', bad = ''] = await commitAll(site, ['one', 'two', 'bad']);
  await prepare(site);
  const passed: string[] = [];
  const steps = [
    { order: `serve:${one}`, served: ['old', 'one'], becomes: 'one', good: one },
    { order: `serve:${two}`, served: ['one', 'two'], becomes: 'two', good: two },
    { order: `back:${bad}`, served: ['two', 'bad'], becomes: 'two', good: two },
  ];
  for (const step of steps) {
    const places = copies(site);
    const points = await pointsOf([await places.next(), step.order], join(site.folder, `points-${step.order}`));
    passed.push(...points);
    await someAtOnce(points, async (point, index) => {
      const place = await places.next();
      expect(await work([place, step.order], `all:${index + 1}:kill`)).toBe('SIGKILL');

      // Between the two renames of the first switch there is nothing; all else serves one whole commit.
      const served = await readFile(join(place, 'a.txt'), 'utf8').catch(() => 'gap');
      expect(point === 'releases.aside' ? ['gap'] : step.served, point).toContain(served);
      const releases = await openReleases({ path: place, keep: 1, log: site.log });
      expect(step.served, point).toContain(await readFile(join(place, 'a.txt'), 'utf8'));

      await goOn(place, releases, step.order);
      expect(await readFile(join(place, 'a.txt'), 'utf8'), point).toBe(step.becomes);
      expect(await releases.lastGood()).toBe(step.good);
      expect((await readdir(`${place}.releases`)).sort(), point).toEqual(
        [step.good, 'original', 'releases.json', 'repository'].sort(),
      );
      expect(await filesIn(`${place}.releases/original`)).toEqual({ 'a.txt': 'old', 'upload.txt': 'mine' });
      if (step.order.startsWith('back')) expect(await releases.rejectionOf(bad), point).not.toBeNull();
    });
    await work([site.place, step.order]);
  }
  expect([...new Set(passed)].sort()).toEqual(allPoints);
});

test('killed -9 on the way to in-place, an agent goes on, in either direction', async ({ site }) => {
  const commit = await site.origin.commit({ 'a.txt': 'one' });
  await serve(site, commit);
  const places = copies(site);
  for (const direction of ['leave', `serve:${commit}`]) {
    // Between the two renames, and after them.
    await someAtOnce(['1', '2'], async (turn) => {
      const place = await places.next();
      expect(await work([place, 'leave'], `all:${turn}:kill`)).toBe('SIGKILL');

      await work([place, direction]);

      expect(await filesIn(place)).toEqual({ 'a.txt': 'one' });
      expect((await lstat(place)).isDirectory()).toBe(direction === 'leave');
      expect((await readdir(`${place}.releases`)).filter((name) => name.startsWith('left'))).toEqual([]);
    });
  }
});

test('who reads while releases are written, switched and removed never sees a mixed or missing tree', async ({
  site,
}) => {
  const commits: string[] = [];
  for (let index = 0; index < 6; index += 1)
    commits.push(await site.origin.commit({ 'a.txt': `${index}`, 'lib/b.txt': `${index}` }));
  await serve(site, commits[0] ?? '');
  const child = spawn(process.execPath, [reader, site.place], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const said: string[] = [];
  lines.on('line', (line) => said.push(line));
  await expect.poll(() => said).toContain('ready');

  const { releases } = await open(site);
  for (const commit of commits.slice(0, 3)) await serve(site, commit);
  for (let turn = 0; turn < 50; turn += 1) {
    const commit = commits[turn % 3] ?? '';
    await releases.switchTo(commit);
    expect(await releases.current()).toBe(commit);
  }
  for (const commit of commits) await serve(site, commit);
  child.stdin.end();
  await once(child, 'close');

  expect(said.slice(1, -1).filter((line) => line !== 'outrun')).toEqual([]);
  expect(Number(said.at(-1)?.replace('read ', ''))).toBeGreaterThan(1_000);
});

const allPoints = ['aside', 'begun', 'files', 'good', 'link', 'pruned', 'rejected', 'removing', 'switched', 'written']
  .map((step) => `releases.${step}`)
  .sort();

/** As the agent does at its next start: a commit that was rejected is left alone, but for the way back. */
async function goOn(place: string, releases: Releases, order: string): Promise<void> {
  const [what, commit = ''] = order.split(':');
  const git = createGit({ protocols: ['file'], environment: process.env });
  const repository = repositoryIn(releases.repositoryFolder, git, { tree: place, signal: never });
  const rejected = await releases.rejectionOf(commit);
  if (rejected === null) {
    await releases.write(repository, commit, { signal: never });
    await releases.switchTo(commit);
  }
  if (what === 'serve') await releases.markGood(commit);
  else await releases.rollBack(commit, rejected ?? 'the ports did not come back');
  await releases.prune(repository);
}

async function commitAll(site: Site, contents: readonly string[]): Promise<string[]> {
  const commits: string[] = [];
  for (const content of contents) commits.push(await site.origin.commit({ 'a.txt': content }));
  return commits;
}

async function someAtOnce(points: readonly string[], attack: (point: string, index: number) => Promise<void>) {
  const rows = points.entries();
  const run = async () => {
    for (const [index, point] of rows) await attack(point, index);
  };
  await Promise.all(Array.from({ length: 3 }, run));
}

/** A folder with something in it, and a clone beside it that has been fetched into. */
async function prepare(site: Site): Promise<void> {
  await writeFiles(site.place, { 'a.txt': 'old', 'upload.txt': 'mine' });
  await open(site);
}

/** Each is a place of its own that looks like that of the site. */
function copies(site: Site): { next(): Promise<string> } {
  return {
    async next() {
      const folder = await mkdtemp(join(site.folder, 'copy-'));
      await cp(join(site.place, '..'), folder, { recursive: true, verbatimSymlinks: true });
      return join(folder, 'www');
    },
  };
}
