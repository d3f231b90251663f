import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import { expect, onTestFailed, onTestFinished } from 'vitest';
import { startAgentProcess } from '../agent/demo/agent-process.ts';
import { ownMember } from '../agent/demo/story.ts';
import { type Life, lifeTest, statusEvents } from './support/life.ts';

const checkout = new URL('..', import.meta.url).pathname;
const everyMs = 50;

/** Talks on the pipes it inherited from its hook with every request: nobody may close them over it. */
const service = `
  const { createServer } = require('node:http');
  createServer((request, response) => {
    console.log('asked for ' + request.url);
    console.error('still here');
    response.end(String(process.pid));
  }).listen(PORT, '127.0.0.1');
`;

lifeTest('a service a hook has started serves on while the agent is killed, stopped and upgraded', async ({ life }) => {
  const platform = await life.platform({ members: [ownMember('Initialized')] });
  const port = await life.port();
  const code = service.replace('PORT', String(port)).replaceAll(/\s+/g, ' ');
  const hooks = {
    'StartServers.sh': `echo servers >> $TRACE\nsetsid ${process.execPath} -e "${code}" < /dev/null &`,
    'clean.sh': `kill $(cat ${life.folder}/service.pid)`,
  };
  const options = { params: { PORTS: String(port) }, hooks };
  const first = await life.agent(options);
  await platform.waitFor('InstanceActivatedEvent');
  const polling = poll(port);
  onTestFinished(() => polling.stop());
  onTestFinished(async () => void process.kill(Number(await polling.answer()), 'SIGKILL'));
  const servicePid = await polling.answer();
  // Killed before its receipt is on disk, Activated would rightly be delivered again.
  await first.logged(({ event, status }) => event === 'status.published' && status === 'InstanceActivatedEvent');

  process.kill(first.pid, 'SIGKILL');
  await first.exited;
  await polling.twice();
  const second = await life.agent(options);
  await second.entered('active', AbortSignal.timeout(20_000));
  await polling.twice();
  process.kill(second.pid, 'SIGTERM');
  expect(await second.exited).toBe(0);
  await polling.twice();
  const upgraded = await startUpgraded(life);
  await upgraded.entered('active', AbortSignal.timeout(20_000));
  const last = platform.heard.at(-1);
  await platform.waitFor('HealthStatisticsEvent', () => true, last === undefined ? {} : { after: last });
  await polling.twice();

  expect(polling.failures).toEqual([]);
  expect(await polling.answer()).toBe(servicePid);
  expect(first.trace()).toEqual(['servers']);
  expect(statusEvents(platform.heard)).toEqual(['InstanceStartedEvent', 'InstanceActivatedEvent']);
});

/** The same agent from another place, as a package that was installed over the old one. */
async function startUpgraded(life: Life) {
  const folder = await mkdtemp(join(tmpdir(), 'upgraded-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const name of ['agent', 'state', 'plugins', 'package.json']) {
    await cp(join(checkout, name), join(folder, name), { recursive: true });
  }
  await symlink(join(checkout, 'node_modules'), join(folder, 'node_modules'));
  const agent = await startAgentProcess({
    program: join(folder, 'agent', 'main.ts'),
    confFile: join(life.folder, 'agent.conf'),
    logFile: join(life.folder, 'upgraded.log'),
    env: process.env,
  });
  onTestFinished(() => agent.stop());
  onTestFailed(() => void process.stderr.write(`${agent.lastLines.join('\n')}\n`));
  return agent;
}

/** Asks the service all the time, each time anew. */
function poll(port: number) {
  const failures: string[] = [];
  const stopping = new AbortController();
  let asked = 0;
  const ask = () =>
    new Promise<string>((resolve, reject) => {
      const request = get({ host: '127.0.0.1', port, agent: false, timeout: 2_000 }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      });
      request.on('timeout', () => request.destroy(new Error('no answer in time')));
      request.on('error', reject);
    });
  const run = async () => {
    for await (const _ of setInterval(everyMs, undefined, { signal: stopping.signal })) {
      await ask().catch((error: Error) => failures.push(error.message));
      asked += 1;
    }
  };
  run().catch(() => {}); // stopped
  return {
    failures,
    answer: ask,
    /** Resolves when it was asked two more times. */
    twice: () => {
      const until = asked + 2;
      return expect.poll(() => asked).toBeGreaterThanOrEqual(until);
    },
    stop: () => stopping.abort(),
  };
}
