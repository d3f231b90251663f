import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { ownMember } from '../agent/demo/story.ts';
import { type Life, statusEvents, lifeTest as test } from './support/life.ts';
import { statusOf } from './support/status.ts';

const program = new URL('../agent/main.ts', import.meta.url).pathname;
const veto = 'echo "asked $CARTRIDGE_ATTEMPT" >> $TRACE; [ -e $TRACE.ok ] || echo \'{"veto":"not today"}\' >&3';

test('a gate that is closed opens on the word of an operator, who is in the journal', async ({ life }) => {
  const platform = await life.platform({ members: [ownMember('Initialized')] });
  const agent = await life.agent({ hooks: { 'instanceStarting/10-policy': veto } });
  await agent.logged(({ event, condition }) => event === 'lifecycle.condition' && condition === 'blocked');

  await order(life, 'retry', 'instanceStarting', 'look again');
  await expect.poll(agent.trace).toEqual(['asked 1', 'asked 2']);
  await agent.logged(
    ({ event, executable }) => event === 'hook.blocked' && executable === 'instanceStarting/10-policy',
  );
  await expect
    .poll(() =>
      order(life, 'skip', 'instanceStarting', 'ticket 4711').then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
  await platform.waitFor('InstanceActivatedEvent');

  expect(statusEvents(platform.heard)).toEqual(['InstanceStartedEvent', 'InstanceActivatedEvent']);
  expect(readFileSync(join(life.folder, 'state', 'journal'), 'utf8')).toContain('"reason":"ticket 4711"');
  await expect(order(life, 'skip', 'instanceStarting', 'again')).rejects.toMatchObject({ code: 1 });
});

test('what a hook says it is doing is told to people while it does it, and no longer', async ({ life }) => {
  const platform = await life.platform({ members: [ownMember('Initialized')] });
  const says = 'i=0; while [ $i -lt 500 ]; do echo \'{"status":"file \'$i\'"}\' >&3; i=$((i + 1)); done';
  const agent = await life.agent({
    hooks: { 'startServers/10-warm': `${says}; until [ -e $TRACE.ok ]; do sleep 0.05; done` },
  });
  const status = () => statusOf(join(life.folder, 'state'));
  await agent.entered('started', AbortSignal.timeout(10_000));

  await expect.poll(async () => (await status()).why, { timeout: 10_000 }).toContain('startServers: file 499');
  const { condition, recent } = await status();
  writeFileSync(join(life.folder, 'trace.ok'), '');
  await platform.waitFor('InstanceActivatedEvent');

  expect(condition).toBe('waiting');
  expect(recent.filter(({ text }) => text.includes('file ')).length).toBeLessThan(5); // of 500
  expect((await status()).why.join()).not.toContain('file');
});

function order(life: Life, action: string, gate: string, reason: string) {
  const args = [program, 'gate', action, gate, '--reason', reason, '--state-dir', join(life.folder, 'state')];
  return promisify(execFile)(process.execPath, args);
}
