import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, vi } from 'vitest';
import { ownMember } from '../agent/demo/story.ts';
import { readJournal } from '../agent/journal/journal.ts';
import { type Life, lifeTest, statusEvents } from './support/life.ts';

const started = 'InstanceStartedEvent';
const activated = 'InstanceActivatedEvent';
const hooks = { 'StartServers.sh': 'echo servers >> $TRACE', 'InstanceActivatedEvent.sh': 'echo told >> $TRACE' };

/** The first run writes that it has decided Started, and then finds its disk full. */
const fullAfterStarted = 'journal.write:5:enospc';

lifeTest(
  'a journal that a full disk has left behind does not make an active instance say Started',
  async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    const first = await startWith(life, fullAfterStarted);
    await expect.poll(first.trace).toContain('told');
    await first.logged(({ event, status }) => event === 'status.published' && status === activated);
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    expect(readJournal(join(life.folder, 'state')).recovery).toMatchObject({
      facts: { started: true, activated: false },
      undelivered: [started],
    });
    const last = platform.heard.at(-1);
    await rm(join(life.folder, 'trace'));

    const second = await life.agent({ hooks });
    await platform.waitFor('HealthStatisticsEvent', () => true, last === undefined ? {} : { after: last });
    await second.logged(({ event, status }) => event === 'status.leftOut' && status === started);

    const said = statusEvents(platform.heard);
    expect(said.slice(0, 2)).toEqual([started, activated]);
    expect(said.slice(2)).not.toContain(started);
    expect(platform.memberStatus()).toBe('Active');
    await platform.cleanupMember();
    expect(await second.exited).toBe(0);
  },
);

async function startWith(life: Life, fault: string) {
  vi.stubEnv('CARTRIDGE_AGENT_FAULT', fault);
  onTestFinished(() => void vi.unstubAllEnvs());
  const agent = await life.agent({ hooks });
  vi.unstubAllEnvs();
  return agent;
}
