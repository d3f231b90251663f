import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { encryptPassword } from '../agent/demo/manager.ts';
import { ownMember, shop } from '../agent/demo/story.ts';
import { startGitServer } from './support/git-server.ts';
import { anyBroker, type Life, lifeTest, statusEvents } from './support/life.ts';

const password = 's3cret-P@ss';
const account = { user: 'deploy', password };
const hooks = {
  'StartServers.sh': 'echo StartServers >> $TRACE',
  'artifactUpdating/10-look': 'echo "updating $(ls $STRATOS_APPLICATION_PATH 2>/dev/null | tr "\\n" " ")" >> $TRACE',
  'ArtifactUpdatedEvent.sh': 'echo "updated $(cat $STRATOS_APPLICATION_PATH/index.html)" >> $TRACE',
};

const test = lifeTest.extend('broker', anyBroker);

describe('artifacts', () => {
  test('are cloned, hooks are told, and only then the instance is activated', async ({ life }) => {
    await using server = await startGitServer();
    const repository = await server.createRepository('shop.git');
    await repository.commit({ 'index.html': 'first' });
    server.account = account;
    await mkdir(life.applicationPath, { recursive: true });
    await writeFile(join(life.applicationPath, 'index.html'), 'placeholder');
    await writeFile(join(life.applicationPath, 'kept.html'), 'kept');
    const platform = await platformWith(life, repository.url);

    const agent = await life.agent({ params: { REPO_URL: repository.url }, hooks });
    await platform.waitFor('InstanceActivatedEvent');
    await repository.commit({ 'index.html': 'second' });
    await platform.artifactUpdated();
    await expect.poll(() => agent.trace().at(-1)).toBe('updated second');
    await platform.artifactUpdated();
    await agent.logged(({ event, changed }) => event === 'artifact.fetched' && changed === false);
    await platform.cleanupMember();

    expect(await agent.exited).toBe(0);
    expect(await readFile(join(life.applicationPath, 'kept.html'), 'utf8')).toBe('kept');
    expect(agent.trace()).toEqual([
      'StartServers',
      'updating index.html kept.html ',
      'updated first',
      'updating index.html kept.html ',
      'updated second',
    ]);
  });

  test('that cannot be had never activate the instance, until they can', async ({ life }) => {
    await using server = await startGitServer();
    const repository = await server.createRepository('shop.git');
    await repository.commit({ 'index.html': 'first' });
    server.mode = { kind: 'status', status: 500 };
    const platform = await platformWith(life, repository.url);

    const agent = await life.agent({
      params: { REPO_URL: repository.url },
      conf: { 'artifact.clone.interval': '1' },
      hooks,
    });
    const failed = await agent.logged(({ event }) => event === 'artifact.failed');
    const saidBefore = statusEvents(platform.heard);
    server.mode = { kind: 'serve' };
    await platform.waitFor('InstanceActivatedEvent');

    expect(saidBefore).toEqual(['InstanceStartedEvent']);
    expect(failed).toMatchObject({ code: 'ARTIFACT_CLONE_FAILED', remedy: expect.any(String) });
    expect(statusEvents(platform.heard)).toEqual(['InstanceStartedEvent', 'InstanceActivatedEvent']);
    expect(agent.trace()).toContain('updated first');
  });

  test('leave no secret anywhere it can be read', async ({ life }) => {
    await using server = await startGitServer();
    const repository = await server.createRepository('shop.git');
    await repository.commit({ 'index.html': 'first' });
    server.account = account;
    const platform = await platformWith(life, repository.url);

    const script = 'tr "\\0" "\\n" < /proc/$PPID/cmdline >> $TRACE; env >> $TRACE';
    const agent = await life.agent({
      params: { REPO_URL: repository.url, TOKEN: 'token-0815' },
      hooks: { 'ArtifactUpdatedEvent.sh': script },
    });
    await platform.waitFor('InstanceActivatedEvent');
    await platform.cleanupMember();
    await agent.exited;

    const secrets = [password, shop.cartridgeKey, encryptPassword(password, shop.cartridgeKey), 'token-0815'];
    const written = ['agent.log', 'state/journal', 'trace', 'www/.git/config'].map((name) =>
      readFileSync(join(life.folder, name), 'utf8'),
    );
    expect(secrets.filter((secret) => written.some((text) => text.includes(secret)))).toEqual([]);
  });
});

function platformWith(life: Life, url: string) {
  const repository = { clusterId: shop.clusterId, tenantId: shop.tenantId, url, username: account.user, password };
  return life.platform({ members: [ownMember('Initialized')], repositories: [repository] });
}
