import { expect } from 'vitest';
import { test } from './support/hooks.ts';

const member = (n: number) => ({ memberId: `m${n}`, clusterId: 'c1', status: 'Active', member: {} });
/** Appends the member it is told about; needs no process of its own for it. */
const writeMember = `read line; line=\${line##*,'"memberId":"'}; echo "\${line%%'"'*}" >> ../order`;

test('notices of one kind keep their order, and telling does not wait for them', async ({ stage }) => {
  await stage.script('memberActivated/10-write', writeMember);
  const hooks = stage.hooks();
  const startedAt = performance.now();

  for (let n = 0; n < 30; n += 1) hooks.notify('memberActivated', member(n));

  expect(performance.now() - startedAt).toBeLessThan(100);
  await hooks.settle(20_000);
  expect(stage.lines('order')).toEqual(Array.from({ length: 30 }, (_, n) => `m${n}`));
});

test('a hung notice of one kind does not hold up another kind', async ({ stage }) => {
  await stage.script('MemberStartedEvent.sh', 'exec sleep 60');
  await stage.script('MemberActivatedEvent.sh', 'echo told >> ../order');
  const hooks = stage.hooks();

  hooks.notify('memberStarted', member(1));
  hooks.notify('memberActivated', member(1));

  await expect.poll(() => stage.lines('order')).toEqual(['told']);
});

test('a notice that fails is reported once, and the next one is told', async ({ stage }) => {
  await stage.script('MemberStartedEvent.sh', 'echo told >> ../order; exit 1');
  await stage.script('memberStarted/10-later', `echo '{"hold":"later"}' >&3`);
  await stage.script('memberStarted/20-unusable', '', 0o644);
  const hooks = stage.hooks();

  hooks.notify('memberStarted', member(1));
  hooks.notify('memberStarted', member(2));
  await hooks.settle(20_000);

  expect(stage.lines('order')).toEqual(['told', 'told']);
  const failed = stage.logged('notice.failed').slice(0, 3);
  expect(failed.map(({ code, executable }) => [code, executable])).toEqual([
    ['HOOK_FAILED', 'MemberStartedEvent.sh'],
    ['HOOK_FAILED', 'memberStarted/10-later'],
    ['HOOK_UNUSABLE', 'memberStarted/20-unusable'],
  ]);
});

test('of a flood the newest thousand are told', async ({ stage }) => {
  await stage.script(
    'memberStarted/10-write',
    `${writeMember}; while [ ! -e ../go ]; do sleep 0.02; done; [ $(wc -l < ../order) -lt 3 ] || exec sleep 60`,
  );
  const hooks = stage.hooks();
  hooks.notify('memberStarted', member(0));
  await expect.poll(() => stage.lines('order')).toEqual(['m0']);

  for (let n = 1; n <= 1_500; n += 1) hooks.notify('memberStarted', member(n));
  await stage.script('../go', '');

  await expect.poll(() => stage.lines('order')).toEqual(['m0', 'm501', 'm502']);
  expect(stage.logged('notice.dropping')).toHaveLength(1);
});

test('of complete topologies only the newest waits', async ({ stage }) => {
  await stage.script(
    'completeTopology/10-write',
    `cat >> ../order; echo >> ../order; while [ ! -e ../go ]; do sleep 0.02; done`,
  );
  const hooks = stage.hooks();
  hooks.notify('completeTopology', { topology: '0', members: '{}' });
  await expect.poll(() => stage.lines('order')).toHaveLength(1);

  for (let n = 1; n <= 5; n += 1) hooks.notify('completeTopology', { topology: String(n), members: '{}' });
  await stage.script('../go', '');
  await hooks.settle(20_000);

  expect(stage.lines('order').map((line) => JSON.parse(line).topology)).toEqual([0, 5]);
});

test('settling ends when all is told, or when its time is up; closing ends the rest', async ({ stage }) => {
  await stage.script('instanceActivated/10-quick', 'echo quick >> ../order');
  await stage.script('artifactDrifted/10-hung', 'echo hung >> ../order; exec sleep 60');
  const hooks = stage.hooks();
  hooks.notify('instanceActivated', {});
  await hooks.settle(600_000);
  expect(stage.lines('order')).toEqual(['quick']);
  hooks.notify('artifactDrifted', { tenantId: '1', path: stage.folder, changedPaths: [] });
  hooks.notify('artifactDrifted', { tenantId: '1', path: stage.folder, changedPaths: ['never told'] });
  await expect.poll(() => stage.lines('order')).toEqual(['quick', 'hung']);

  await hooks.settle(50);
  await hooks.close();

  hooks.notify('instanceActivated', {});
  await hooks.settle(1_000);
  expect(stage.lines('order')).toEqual(['quick', 'hung']);
});

test('knows which hooks have something to run', async ({ stage }) => {
  await stage.script('CompleteTopologyEvent.sh', '');
  await stage.script('drain/10-x', '', 0o644);
  const hooks = stage.hooks();

  const answers = (['completeTopology', 'drain', 'completeTenant', 'memberMaintenance'] as const).map(hooks.has);

  expect(answers).toEqual([true, true, false, false]);
});
