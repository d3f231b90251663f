import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownMember } from '../../agent/demo/story.ts';
import { expect } from '../support/current-test.ts';
import { lifeTest as test } from '../support/life.ts';
import { startProxy } from '../support/proxy.ts';
import { statusOf } from '../support/status.ts';

test('a state.dir that is emptied is filled again, and a kill then loses nothing', async ({ life }) => {
  const platform = await life.platform({ members: [ownMember('Initialized')] });
  await using proxy = await startProxy(life.brokerPort);
  const [stateDir, go] = [join(life.folder, 'state'), join(life.folder, 'go')];
  const hooks = { 'StartServers.sh': `echo up >> $TRACE; until [ -e ${go} ]; do sleep 0.05; done` };
  const options = { conf: { 'mb.urls': `127.0.0.1:${proxy.port}` }, hooks };
  const first = await life.agent(options);
  await expect.poll(() => first.trace(), { timeout: 10_000 }).toEqual(['up']);
  proxy.accepts = false;
  proxy.cut();
  writeFileSync(go, '');
  await first.entered('active', AbortSignal.timeout(20_000));

  rmSync(stateDir, { recursive: true });
  await first.logged(({ event }) => event === 'lock.reclaimed');
  await expect.poll(() => existsSync(join(stateDir, 'journal'))).toBe(true);
  const journal = readFileSync(join(stateDir, 'journal'), 'utf8');
  process.kill(first.pid, 'SIGKILL');
  await first.exited;
  const dead = await statusOf(stateDir);
  proxy.accepts = true;
  await life.agent(options);
  await platform.waitFor('InstanceActivatedEvent');

  expect(journal).toContain('"kind":"checkpoint"');
  expect(first.lines.find(({ event }) => event === 'journal.replaced')).toMatchObject({ level: 'warn' });
  expect(dead).toMatchObject({ source: 'journal', state: 'active', outbox: { events: ['InstanceActivatedEvent'] } });
  expect(first.trace()).toEqual(['up']);
});
