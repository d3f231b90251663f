import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe } from 'vitest';
import type { Platform } from '../../agent/demo/platform.ts';
import { ownMember, shop } from '../../agent/demo/story.ts';
import { expect } from '../support/current-test.ts';
import { type Agent, type Life, lifeTest, statusEvents } from '../support/life.ts';

const leaving = ['InstanceMaintenanceModeEvent', 'InstanceReadyToShutdownEvent'];
const hangs = 'echo clean >> $TRACE\nexec sleep 60';
const soon = () => AbortSignal.timeout(20_000);

describe.concurrent('a second agent on the same state.dir', () => {
  lifeTest('is refused with exit code 75, names the first and does it no harm', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const first = await life.agent();
    await first.entered('active', soon());

    const second = await life.agent();
    const refused = await second.logged(({ event }) => event === 'agent.refused');

    expect(await second.exited).toBe(75);
    expect(refused).toMatchObject({
      code: 'STATE_DIR_TAKEN',
      err: { message: expect.stringContaining(shop.memberId) },
    });
    expect(JSON.stringify(refused)).toContain(`pid ${first.pid}`);
    expect(second.lines.some(({ event }) => event === 'broker.connected')).toBe(false);
    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent');
    expect(await first.exited).toBe(0);
  });
});

describe.concurrent('with shutdown.on.sigterm', () => {
  const conf = { 'shutdown.on.sigterm': 'true', 'termination.budget.sigterm': '2' };

  lifeTest('SIGTERM is the cleanup of the instance', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent({ conf, hooks: { 'clean.sh': 'echo clean >> $TRACE' } });
    await agent.entered('active', soon());

    process.kill(agent.pid, 'SIGTERM');
    await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(leaving);
    expect(agent.trace()).toEqual(['clean']);
  });

  lifeTest('whatever hangs, the end is said within termination.budget.sigterm', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent({ conf, hooks: { 'clean.sh': `trap '' TERM\n${hangs}` } });
    await agent.entered('active', soon());

    const sinceMs = performance.now();
    process.kill(agent.pid, 'SIGTERM');
    await platform.waitFor('InstanceReadyToShutdownEvent');
    const tookMs = performance.now() - sinceMs;

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(leaving);
    expect(tookMs).toBeGreaterThan(1_900);
    expect(tookMs).toBeLessThan(3_500);
  });

  lifeTest('what is left of that time counts after a kill, too', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const options = { conf: { ...conf, 'termination.budget.sigterm': '4' }, hooks: { 'clean.sh': hangs } };
    const first = await life.agent(options);
    await first.entered('active', soon());
    const sinceMs = performance.now();
    process.kill(first.pid, 'SIGTERM');
    await expect.poll(first.trace).toEqual(['clean']);
    process.kill(first.pid, 'SIGKILL');
    await first.exited;

    const agent = await life.agent(options);
    await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(performance.now() - sinceMs).toBeLessThan(8_000);
    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(leaving);
  });

  lifeTest('SIGTERM during a long cleanup shortens it', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent({ conf: { ...conf, 'termination.budget': '10m' }, hooks: { 'clean.sh': hangs } });
    await agent.entered('active', soon());
    await platform.cleanupMember();
    await expect.poll(agent.trace).toEqual(['clean']);

    const sinceMs = performance.now();
    process.kill(agent.pid, 'SIGTERM');
    await platform.waitFor('InstanceReadyToShutdownEvent');
    const tookMs = performance.now() - sinceMs;

    expect(await agent.exited).toBe(0);
    expect(tookMs).toBeLessThan(3_500);
  });
});

describe.concurrent('a clock that jumps', () => {
  lifeTest.for([
    { summary: 'a day forth', jumpMs: 86_400_000 },
    { summary: 'a day back', jumpMs: -86_400_000 },
  ])('$summary changes no timer', async ({ jumpMs }, { life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const env = await withJumpingClock(life, jumpMs);
    const agent = await life.agent({ env, conf: { 'termination.budget': '4' }, hooks: { 'clean.sh': hangs } });
    await agent.entered('active', soon());

    await jump(agent, jumpMs);
    const [second, spentMs] = await secondRound(platform);
    await platform.cleanupMember();
    const maintenance = await platform.waitFor('InstanceMaintenanceModeEvent');
    await expect.poll(agent.trace).toEqual(['clean']);
    await pause(1_000); // some of the budget is spent before the clock jumps again
    process.kill(agent.pid, 'SIGUSR2');
    const ready = await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    // Of the jumped clock, so it did jump.
    expect(Math.abs(Number(second.body['timestamp']) - second.at)).toBeGreaterThan(80_000_000);
    expect(spentMs).toBeGreaterThan(500);
    expect(spentMs).toBeLessThan(3_000);
    expect(ready.at - maintenance.at).toBeGreaterThan(3_000);
    expect(ready.at - maintenance.at).toBeLessThan(6_000);
  });
});

/** With these variables an agent reads a wall clock that jumps at each SIGUSR2; what is monotonic goes on. */
async function withJumpingClock(life: Life, jumpMs: number): Promise<Record<string, string>> {
  const file = join(life.folder, 'clock.mjs');
  const code = `
    const Real = Date;
    let offMs = 0;
    globalThis.Date = class extends Real {
      constructor(...given) { given.length > 0 ? super(...given) : super(Real.now() + offMs); }
      static now() { return Real.now() + offMs; }
    };
    process.on('SIGUSR2', () => { offMs += ${jumpMs}; });
  `;
  await writeFile(file, code);
  return { NODE_OPTIONS: `--import=file://${file}` };
}

/** Resolves once the log is written by the jumped clock. */
async function jump(agent: Agent, jumpMs: number): Promise<void> {
  const nowMs = Date.now();
  process.kill(agent.pid, 'SIGUSR2');
  await agent.next(({ time }) => Math.abs(Date.parse(time) - nowMs - jumpMs) < 3_600_000, soon());
}

/** The next but one round of statistics, which are a second apart, and how long after the one before it came. */
async function secondRound(platform: Platform) {
  const isLoad = ({ body }: { body: Readonly<Record<string, unknown>> }) =>
    body['healthDescription'] === 'load_average';
  const last = platform.heard.at(-1);
  const first = await platform.waitFor('HealthStatisticsEvent', isLoad, last === undefined ? {} : { after: last });
  const second = await platform.waitFor('HealthStatisticsEvent', isLoad, { after: first });
  return [second, second.at - first.at] as const;
}
