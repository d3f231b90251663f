import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { ownMember } from '../../agent/demo/story.ts';
import { readJournal } from '../../agent/journal/journal.ts';
import { expect, onTestFinished } from '../support/current-test.ts';
import { type Agent, lifeTest, statusEvents } from '../support/life.ts';

const leaving = ['InstanceMaintenanceModeEvent', 'InstanceReadyToShutdownEvent'];
const soon = () => AbortSignal.timeout(20_000);
/** The line that tells people of that condition. */
const says = (agent: Agent, condition: string) =>
  agent.logged((line) => line['condition'] === condition && line.event.startsWith('lifecycle.'));

describe.runIf(mayMount()).concurrent('a disk of its own', () => {
  lifeTest('that is full makes the agent degraded, never dead, until there is space again', async ({ life }) => {
    const disk = mountedDisk();
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    const port = await life.port();
    const agent = await life.agent({ conf: { 'state.dir': disk.path }, params: { PORTS: String(port) } });
    await agent.entered('started', soon());
    disk.fill();

    await life.listen(port);
    await platform.waitFor('InstanceActivatedEvent');
    const failed = await agent.logged(({ event }) => event === 'journal.failed');
    await says(agent, 'degraded');
    const last = platform.heard.at(-1);
    await platform.waitFor('HealthStatisticsEvent', () => true, last === undefined ? {} : { after: last });
    disk.free();
    await agent.logged(({ event }) => event === 'journal.recovered');
    await says(agent, 'ok');

    expect(failed).toMatchObject({ code: 'JOURNAL_NOT_WRITTEN', remedy: expect.any(String) });
    expect(readJournal(disk.path).recovery.facts).toMatchObject({ started: true, activated: true });
    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent');
    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(['InstanceStartedEvent', 'InstanceActivatedEvent', ...leaving]);
  });

  lifeTest('that stays full does not keep the instance from leaving', async ({ life }) => {
    const disk = mountedDisk();
    const platform = await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent({ conf: { 'state.dir': disk.path }, hooks: { 'clean.sh': 'echo clean >> $TRACE' } });
    await agent.entered('active', soon());
    disk.fill();

    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(leaving);
    expect(agent.trace()).toEqual(['clean']);
    expect(agent.lines.some(({ event }) => event === 'journal.failed')).toBe(true);
  });

  lifeTest('that is full from the start does not keep the instance from coming up', async ({ life }) => {
    const disk = mountedDisk();
    disk.fill();
    const platform = await life.platform({ members: [ownMember('Initialized')] });

    const agent = await life.agent({
      conf: { 'state.dir': disk.path },
      hooks: { 'StartServers.sh': 'echo servers >> $TRACE' },
    });
    await platform.waitFor('InstanceActivatedEvent');

    expect(statusEvents(platform.heard)).toEqual(['InstanceStartedEvent', 'InstanceActivatedEvent']);
    expect(agent.trace()).toEqual(['servers']);
    await agent.logged(({ event }) => event === 'journal.failed');
  });

  lifeTest('that is read-only makes the agent degraded, until it can be written', async ({ life }) => {
    const disk = mountedDisk();
    disk.freeze();
    const platform = await life.platform({ members: [ownMember('Initialized')] });

    const agent = await life.agent({ conf: { 'state.dir': disk.path } });
    await platform.waitFor('InstanceActivatedEvent');
    const failed = await agent.logged(({ event }) => event === 'journal.failed');
    const degraded = await says(agent, 'degraded');
    disk.thaw();
    await agent.logged(({ event }) => event === 'journal.recovered');
    await says(agent, 'ok');

    expect(failed).toMatchObject({ code: 'JOURNAL_NOT_WRITTEN', err: { message: expect.stringContaining('EROFS') } });
    expect(degraded['message']).toContain('state.dir cannot be written');
    expect(readJournal(disk.path).recovery.facts).toMatchObject({ activated: true });
  });
});

/** A small disk to be the `state.dir`; gone after the test. */
function mountedDisk() {
  const path = mkdtempSync(join(tmpdir(), 'disk-'));
  const filling = join(path, 'filling');
  const mount = (...options: string[]) => void execFileSync('mount', ['-t', 'tmpfs', ...options, 'disk', path]);
  const unmount = () => void execFileSync('umount', ['-l', path]);
  mount('-o', 'size=256k');
  onTestFinished(() => {
    unmount();
    rmSync(path, { recursive: true });
  });
  return {
    path,
    /** To the last byte. */
    fill() {
      for (let bytes = 65_536; bytes >= 1; bytes = Math.floor(bytes / 2)) {
        try {
          for (;;) writeFileSync(filling, Buffer.alloc(bytes), { flag: 'a' });
        } catch (thrown) {
          if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown;
        }
      }
    },
    free: () => rmSync(filling),
    /** Puts one that cannot be written over it. */
    freeze: () => mount('-o', 'ro'),
    thaw: unmount,
  };
}

/** Only root may, and not in every container. */
function mayMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'probe', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
