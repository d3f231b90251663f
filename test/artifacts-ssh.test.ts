import { once } from 'node:events';
import { chmod, lstat, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base, expect, onTestFinished } from 'vitest';
import { download } from '../agent/artifacts/download/download.ts';
import { ArtifactCloneError } from '../agent/artifacts/failures.ts';
import type { SshFiles } from '../agent/artifacts/git/ssh.ts';
import { failureOf, jobsIn } from './support/artifacts.ts';
import { createClone, everything, look } from './support/downloads.ts';
import { createRepository, type TestRepository } from './support/git-server.ts';
import { hasSshServer, type SshServer, startSshServer } from './support/ssh-server.ts';

interface Stage {
  readonly server: SshServer;
  readonly remote: TestRepository;
  readonly folder: string;
  fetch(files: SshFiles, options?: { url?: string; signal?: AbortSignal; name?: string }): Promise<string>;
}

/** Names that a shell, ssh and its configuration each read in their own way. */
const oddName = `it's "odd" \\ $HOME %h %%; \`id\``;

const test = base.extend<{ stage: Stage }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from here.
  stage: async ({}, use) => {
    await using server = await startSshServer(oddName);
    const folder = await mkdtemp(join(tmpdir(), 'ssh-'));
    const remote = await createRepository(join(folder, 'shop.git'), server.urlOf(join(folder, 'shop.git')));
    await remote.commit({ 'index.html': 'first' });
    await use({
      ...{ server, remote, folder },
      async fetch(ssh, { url = remote.url, name = 'clone', ...more } = {}) {
        const clone = await createClone(join(folder, name), url, { ssh, ...more });
        const { commit } = await download(clone, { ...everything, isShallow: true });
        return await look(clone, 'show', `${commit}:index.html`);
      },
    });
    await rm(folder, { recursive: true, force: true });
  },
});

test.skipIf(!hasSshServer)('comes over ssh, with a key and hosts from files of any name', async ({ stage }) => {
  const { server, fetch } = stage;

  expect(await fetch(server)).toBe('first');
});

test.skipIf(!hasSshServer)(
  'a host that is not known is not talked to',
  async ({ stage: { server, fetch, folder } }) => {
    const knownHosts = join(folder, 'nobody');
    await writeFile(knownHosts, '');

    for (const files of [
      { key: server.key, knownHosts },
      { key: server.key, knownHosts: null },
    ]) {
      const name = `clone ${files.knownHosts}`.replaceAll('/', '-');
      const cause = await failureOf(fetch(files, { name }));
      expect(remedyOf(cause)).toContain('artifact.ssh.known.hosts');
      expect(String(cause)).not.toContain('and the repository exists');
    }
  },
);

test.skipIf(!hasSshServer)('a host that has another key than it had is not talked to', async ({ stage }) => {
  const { server, fetch, folder } = stage;
  await using other = await startSshServer();
  const known = await readFile(other.knownHosts, 'utf8');
  const knownHosts = join(folder, 'changed');
  await writeFile(knownHosts, known.replace(String(other.port), String(server.port)));

  const cause = await failureOf(fetch({ key: server.key, knownHosts }));

  expect(remedyOf(cause)).toContain('another host key than before');
});

test.skipIf(!hasSshServer)('a key the server does not know is refused, and no other is tried', async ({ stage }) => {
  const { server, fetch } = stage;

  const cause = await failureOf(fetch({ key: await server.strangeKey(), knownHosts: server.knownHosts }));

  expect(remedyOf(cause)).toContain('ssh key');
});

test.skipIf(!hasSshServer)('a key that others can read is not used, and the remedy says so', async ({ stage }) => {
  const { server, fetch } = stage;
  await chmod(server.key, 0o644);

  expect(remedyOf(await failureOf(fetch(server)))).toContain('artifact.ssh.key');
});

test.skipIf(!hasSshServer)('a path or user that ssh would take for an option never gets there', async ({ stage }) => {
  const { server, remote, fetch, folder } = stage;
  const canary = join(folder, 'canary');
  const urls = [
    `ssh://-oProxyCommand=touch ${canary}/a`,
    `ssh://127.0.0.1:${server.port}/-oProxyCommand=touch ${canary}`,
    `${remote.url}'; touch ${canary}; '`,
    `127.0.0.1:$(touch ${canary})`,
  ];

  // Straight to git: what parseRepositoryUrl refuses before is not in the way here.
  for (const [index, url] of urls.entries()) await failureOf(fetch(server, { url, name: `clone${index}` }));

  await expect(lstat(canary)).rejects.toThrow('ENOENT');
});

test('an abort ends an ssh that waits for its server', async () => {
  const silent = createServer(() => {});
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  onTestFinished(() => void silent.close());
  const folder = await mkdtemp(join(tmpdir(), 'ssh-'));
  onTestFinished(async () => await rm(folder, { recursive: true, force: true }));
  const address = silent.address();
  const stop = new AbortController();
  const url = `ssh://git@127.0.0.1:${typeof address === 'object' ? address?.port : ''}/a.git`;
  const clone = await createClone(join(folder, 'clone'), url, { signal: stop.signal });

  const waiting = failureOf(download(clone, everything));
  await expect.poll(async () => (await jobsIn(folder)).map(({ commandLine }) => commandLine).join()).toMatch(/,ssh\0/);
  stop.abort();
  await waiting;

  expect(await jobsIn(folder)).toEqual([]);
});

function remedyOf(cause: unknown): string {
  return new ArtifactCloneError({ tenantId: '1', repoUrl: 'ssh://h/a', path: '/srv' }, { cause }).remedy;
}
