import { execFile } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect } from 'vitest';
import {
  deploy,
  failureOf,
  filesIn,
  type Instance,
  never,
  instanceTest as test,
  writeFiles,
} from '../support/artifacts.ts';

const execute = promisify(execFile);

describe('a clone that is damaged is mended by the next regular look', () => {
  const pack = '.git/objects/pack/*.pack';
  const cases = [
    { summary: 'all packs are lost', damage: 'rm .git/objects/pack/*' },
    { summary: 'a pack is lost', damage: `rm ${pack}` },
    { summary: 'the index of a pack is lost', damage: 'rm .git/objects/pack/*.idx' },
    {
      summary: 'the index of a pack is empty',
      damage: 'chmod u+w .git/objects/pack/*; truncate -s 0 .git/objects/pack/*.idx',
    },
    { summary: 'a pack is cut off', damage: `chmod u+w ${pack}; truncate -s 60 ${pack}` },
    { summary: 'a pack is empty', damage: `chmod u+w ${pack}; truncate -s 0 ${pack}` },
    { summary: 'all objects are lost', damage: 'rm -r .git/objects' },
    { summary: 'HEAD is empty', damage: 'truncate -s 0 .git/HEAD' },
    { summary: 'refs are no refs', damage: 'git pack-refs --all; echo xx > .git/packed-refs' },
    { summary: 'refs are cut off', damage: 'git pack-refs --all; truncate -s -5 .git/packed-refs' },
    { summary: 'the end of the history is not known', damage: 'echo xx > .git/shallow' },
  ];
  test.for(cases)('$summary', async ({ damage }, { instance }) => {
    const artifacts = instance.artifacts();
    await deploy(artifacts, instance.repository.url);
    await inFolder(instance.target, damage);

    await lookAndPlace(artifacts);

    expect(instance.logged()).toContain('artifact.damaged');
    expect(instance.logged()).not.toContain('artifact.replaced');
    expect(await lookAndPlace(artifacts)).toMatchObject({ changed: false, drift: { paths: [] } });
    await inFolder(instance.target, 'git fsck && git diff --exit-code HEAD');
  });

  test.for(cases.slice(0, 1))('with commits on: $summary', async ({ damage }, { instance }) => {
    const { repository, target } = instance;
    const artifacts = instance.artifacts({ commitEnabled: true });
    await deploy(artifacts, repository.url);
    await inFolder(target, damage);

    await lookAndPlace(artifacts);
    await writeFiles(target, { 'new.txt': 'written here' });
    await lookAndPlace(artifacts);

    expect(await repository.git('show', 'main:new.txt')).toBe('written here');
  });
});

describe('what was changed locally in a damaged clone', () => {
  const there = { 'index.html': 'first', 'lib/a.txt': 'edited here', 'new.txt': 'written here', d: 'a file here' };
  const changeThere = { 'index.html': 'second', 'new.txt': 'theirs', 'd/e.txt': 'below', 'f.txt': 'f' };

  test.for(['report', 'restore'] as const)('with %s, what is replaced can be had back', async (drift, { instance }) => {
    const { repository, target } = instance;
    const artifacts = instance.artifacts({ drift });
    await deploy(artifacts, repository.url);
    await writeFiles(target, { ...there, 'mine.txt': 'nobody else has this' });
    await inFolder(target, 'rm -r .git/objects');
    await repository.commit(changeThere);

    await lookAndPlace(artifacts);

    const placed = { ...changeThere, 'lib/a.txt': 'a', 'mine.txt': 'nobody else has this' };
    expect(await filesIn(target)).toEqual(placed);
    const { savedAs, replaced } = logged(instance, 'artifact.replaced');
    expect(replaced).toEqual(['d', 'd/e.txt', 'index.html', 'lib/a.txt', 'new.txt']);
    for (const [name, text] of Object.entries(there)) {
      expect(await inFolder(target, `git show ${savedAs}:${name}`)).toBe(text);
    }
    expect(await lookAndPlace(artifacts)).toMatchObject({ changed: false, drift: { paths: [] } });
  });

  test.for([
    { summary: 'the files that were changed here', damage: 'rm -r .git/objects/pack', indexHtml: 'second' },
    { summary: 'all files, where nothing says which', damage: 'rm -r .git/objects', indexHtml: 'first' },
  ])('with keep, $summary stay', async ({ damage, indexHtml }, { instance }) => {
    const { repository, target } = instance;
    const artifacts = instance.artifacts({ drift: 'keep' });
    await deploy(artifacts, repository.url);
    await writeFiles(target, there);
    await inFolder(target, damage);
    const commit = await repository.commit(changeThere);

    await lookAndPlace(artifacts);

    expect(await filesIn(target)).toEqual({ ...there, 'index.html': indexHtml, 'f.txt': 'f' });
    expect(logged(instance, 'artifact.kept')).toMatchObject({ kept: expect.arrayContaining(['lib/a.txt', 'new.txt']) });
    expect(await inFolder(target, 'git rev-parse HEAD')).toBe(commit);
  });

  test('a local commit that could not be pushed can be had back', async ({ instance }) => {
    const { repository, target } = instance;
    const artifacts = instance.artifacts({ commitEnabled: true });
    await deploy(artifacts, repository.url);
    await repository.git('config', 'http.receivepack', 'false');
    await writeFiles(target, { 'index.html': 'edited here' });
    await failureOf(lookAndPlace(artifacts));
    await inFolder(target, 'rm -r .git/objects');

    await lookAndPlace(artifacts);

    const { savedAs } = logged(instance, 'artifact.replaced');
    expect(await inFolder(target, `git show ${savedAs}:index.html`)).toBe('edited here');
  });

  test('a change is not lost where it is not known any more what was placed', async ({ instance }) => {
    const { repository, target } = instance;
    const artifacts = instance.artifacts();
    await deploy(artifacts, repository.url);
    await writeFiles(target, { 'lib/a.txt': 'edited here' });
    await inFolder(target, 'rm .git/refs/cartridge-agent/placed');
    await repository.commit({ 'lib/a.txt': 'second' });

    await lookAndPlace(artifacts);

    const { savedAs } = logged(instance, 'artifact.replaced');
    expect(await inFolder(target, `git show ${savedAs}:lib/a.txt`)).toBe('edited here');
    expect(await filesIn(target)).toEqual({ 'index.html': 'first', 'lib/a.txt': 'second' });
  });

  test('a failure after the new clone was moved in loses nothing', async ({ instance }) => {
    const { repository, target } = instance;
    const artifacts = instance.artifacts();
    await deploy(artifacts, repository.url);
    await writeFiles(target, { 'lib/a.txt': 'edited here' });
    await inFolder(target, 'rm -r .git/objects; rm index.html; git init --quiet index.html');

    expect(await failureOf(lookAndPlace(artifacts))).toMatchObject({ code: 'ARTIFACT_PLACE_FAILED' });
    await inFolder(target, 'rm -r index.html');
    await deploy(instance.artifacts(), repository.url);

    const { savedAs } = logged(instance, 'artifact.replaced');
    expect(await inFolder(target, `git show ${savedAs}:lib/a.txt`)).toBe('edited here');
    expect(await filesIn(target)).toEqual({ 'index.html': 'first', 'lib/a.txt': 'a' });
  });
});

describe('an index that cannot be read is made again, and no file is touched', () => {
  const cases = [
    { summary: 'it is empty', damage: 'truncate -s 0' },
    { summary: 'it is something else', damage: 'cp /proc/self/cmdline' },
    { summary: 'it begins with something else', damage: 'dd status=none conv=notrunc if=/dev/zero bs=8 count=1 of=' },
  ];
  for (const layout of ['in-place', 'releases'] as const) {
    test.for(cases)(`${layout}: $summary`, async ({ damage }, { instance }) => {
      const artifacts = instance.artifacts({ layout });
      await deploy(artifacts, instance.repository.url);
      await writeFiles(instance.target, { 'lib/a.txt': 'edited here' });
      await inFolder(instance.folder, `${damage}${damage.endsWith('=') ? '' : ' '}"$(${findIndex})"`);

      expect(await lookAndPlace(artifacts)).toMatchObject({ changed: false, drift: { paths: ['lib/a.txt'] } });

      const commit = await instance.repository.commit({ 'index.html': null, 'start.html': 'second' });
      expect(await lookAndPlace(artifacts)).toMatchObject({ newCommit: commit });
      expect(instance.logged()).not.toContain('artifact.damaged');
      const local = layout === 'in-place' ? 'edited here' : 'a';
      expect(await filesIn(instance.target)).toEqual({ 'start.html': 'second', 'lib/a.txt': local });
    });
  }
});

describe('a git server that has lost something', () => {
  for (const protocol of ['http', 'file'] as const) {
    test(`over ${protocol}, leaves the clone and local changes as they are`, async ({ instance }) => {
      const { repository, target } = instance;
      const artifacts = instance.artifacts({ protocols: [protocol] });
      const url = protocol === 'http' ? repository.url : `file://${repository.folder}`;
      await deploy(artifacts, url);
      await writeFiles(target, { 'lib/a.txt': 'edited here' });
      const commit = await repository.commit({ 'index.html': 'second' });
      const lost = await objectOf(instance, 'main:index.html');
      await rename(lost, `${lost}.lost`);

      const error = await failureOf(artifacts.fetch('1', { signal: never }));
      await rename(`${lost}.lost`, lost);
      await deploy(artifacts, url);

      expect(error).toMatchObject({ code: 'ARTIFACT_FETCH_FAILED' });
      expect(instance.logged()).not.toContain('artifact.damaged');
      expect(await filesIn(target)).toEqual({ 'index.html': 'second', 'lib/a.txt': 'edited here' });
      expect(await inFolder(target, 'git rev-parse HEAD')).toBe(commit);
    });
  }
});

/** The index git uses for what is in place; run where all of an instance is. */
const findIndex = String.raw`find . -path '*/.git/*' \( -name index -o -name 'cartridge-agent-index-*' \)`;

async function lookAndPlace(artifacts: ReturnType<Instance['artifacts']>) {
  const fetched = await artifacts.fetch('1', { trigger: 'interval', signal: never });
  await artifacts.place(fetched, { signal: never });
  return fetched;
}

/** The facts of the last line about that event. */
function logged({ logged }: Instance, event: string) {
  const lines = logged().split('\n');
  return JSON.parse(lines.findLast((line) => line.includes(`"event":"${event}"`)) ?? '{}');
}

async function objectOf({ repository }: Instance, name: string): Promise<string> {
  const id = await repository.git('rev-parse', name);
  return join(repository.folder, 'objects', id.slice(0, 2), id.slice(2));
}

async function inFolder(folder: string, commands: string): Promise<string> {
  return (await execute('sh', ['-ec', commands], { cwd: folder })).stdout.trim();
}
