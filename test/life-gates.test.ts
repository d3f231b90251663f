import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { ownMember } from '../agent/demo/story.ts';
import { type Life, statusEvents, lifeTest as test } from './support/life.ts';

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

function order(life: Life, action: string, gate: string, reason: string) {
  const args = [program, 'gate', action, gate, '--reason', reason, '--state-dir', join(life.folder, 'state')];
  return promisify(execFile)(process.execPath, args);
}
