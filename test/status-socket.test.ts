import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ownMember } from '../agent/demo/story.ts';
import { Status } from '../state/status.ts';
import { type Agent, type Life, statusEvents, lifeTest as test } from './support/life.ts';
import { statusOf, talkTo } from './support/status.ts';

const status = '{"ask":"status"}\n';
const strange = [
  { summary: 'what is not JSON', ask: 'GET / HTTP/1.1', code: 'ASK_NOT_UNDERSTOOD' },
  { summary: 'what is not an object', ask: '["status"]', code: 'ASK_NOT_UNDERSTOOD' },
  { summary: 'bytes', ask: Buffer.from([0, 255, 254, 128, 27]), code: 'ASK_NOT_UNDERSTOOD' },
  { summary: 'nesting without end', ask: '['.repeat(50_000), code: 'ASK_NOT_UNDERSTOOD' },
  { summary: 'an object that asks nothing', ask: '{}', code: 'ASK_UNKNOWN' },
  { summary: 'what there is not', ask: '{"ask":"shutdown"}', code: 'ASK_UNKNOWN' },
  { summary: 'what every object has', ask: '{"ask":"constructor"}', code: 'ASK_UNKNOWN' },
  { summary: 'something else than a name', ask: '{"ask":{"ask":"status"}}', code: 'ASK_UNKNOWN' },
] as const;

describe('the socket', () => {
  test('is for the user of the agent alone', async ({ life }) => {
    await agentOf(life);

    const sockets = [join(state(life), 'control.sock'), ...socketsIn(join(state(life), 'control'))];

    expect(sockets.length).toBeGreaterThan(1);
    expect(sockets.map((path) => statSync(path).mode & 0o777)).toEqual(sockets.map(() => 0o600));
  });

  test('answers one ask after the other, in their order', async ({ life }) => {
    const agent = await agentOf(life);
    const talk = talkTo(state(life));

    talk.write('{"ask":"who"}\n{"ask":"sta');
    talk.write(`tus"}\n{"ask":"who"}\n`);

    await expect.poll(() => talk.lines()).toHaveLength(3);
    const [first, second, third] = talk.lines().map((line) => JSON.parse(line));
    expect(first).toMatchObject({ pid: agent.pid });
    expect(Status.parse(second).agent?.pid).toBe(agent.pid);
    expect(third).toEqual(first);
  });

  test('answers what it does not understand with an error, and goes on', async ({ life }) => {
    await agentOf(life);

    for (const { summary, ask, code } of strange) {
      const talk = talkTo(state(life));
      talk.write(ask);
      talk.write(`\n${status}`);

      await expect.poll(() => talk.lines(), { message: summary }).toHaveLength(2);
      const [refusal, answer] = talk.lines().map((line) => JSON.parse(line));
      expect(refusal, summary).toEqual({
        error: { code, message: expect.any(String), remedy: expect.any(String) },
      });
      expect(Status.safeParse(answer).success, summary).toBe(true);
    }
  });

  test('hangs up on a line of 10 MB', async ({ life }) => {
    const agent = await agentOf(life);
    const before = memoryOf(agent);
    const talk = talkTo(state(life));

    talk.write('x'.repeat(10_000_000));
    await talk.closed;

    expect(talk.lines()).toEqual([]);
    expect(memoryOf(agent) - before).toBeLessThan(64);
    expect(await statusOf(state(life))).toMatchObject({ source: 'agent' });
  });

  test('of which nobody reads the answers costs little, and the life goes on beside it', async ({ life }) => {
    const platform = await life.platform();
    const agent = await agentOf(life);
    await platform.waitFor('CompleteTopologyRequestEvent');
    const before = memoryOf(agent);
    const talks = Array.from({ length: 5 }, () => talkTo(state(life)));

    for (const talk of talks) {
      talk.stopReading();
      talk.write(status.repeat(20_000));
    }
    await platform.initializeMember();
    await platform.waitFor('InstanceActivatedEvent');
    const answer = await statusOf(state(life));
    const grownMb = memoryOf(agent) - before;
    await platform.cleanupMember();

    expect(answer).toMatchObject({ source: 'agent', state: 'active' });
    expect(grownMb).toBeLessThan(64);
    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toHaveLength(4);
  });

  test('survives those who come, ask and go at once', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent();
    await agent.entered('active', AbortSignal.timeout(20_000));

    for (let round = 0; round < 20; round += 1) {
      const talks = Array.from({ length: 10 }, () => talkTo(state(life)));
      for (const talk of talks) talk.write(status.repeat(50));
      for (const talk of talks) talk.hangUp();
      await Promise.all(talks.map(({ closed }) => closed));
    }

    expect(await statusOf(state(life))).toMatchObject({ source: 'agent', condition: 'ok' });
    const last = platform.heard.at(-1);
    await platform.waitFor('HealthStatisticsEvent', () => true, last === undefined ? {} : { after: last });
    expect(agent.lines.filter(({ event }) => event === 'control.failed')).toEqual([]);
  });
});

async function agentOf(life: Life): Promise<Agent> {
  const agent = await life.agent();
  await agent.entered('created', AbortSignal.timeout(20_000));
  return agent;
}

function state(life: Life): string {
  return join(life.folder, 'state');
}

function socketsIn(folder: string): string[] {
  return readdirSync(folder).map((name) => join(folder, name));
}

/** MiB of memory that the process uses. */
function memoryOf({ pid }: Agent): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1_024;
}
