import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { onTestFinished } from 'vitest';
import { ownMember } from '../agent/demo/story.ts';
import { expect } from './support/current-test.ts';
import { anyBroker, lifeTest } from './support/life.ts';

const test = lifeTest.extend('broker', anyBroker);

test('logs reach the broker, across a rotation and a kill of the agent, to the last word', async ({ life }) => {
  const file = join(life.folder, 'app.log');
  writeFileSync(file, 'before the agent\n');
  const heard: { topic: string; message: string; kind: string }[] = [];
  const reader = await connectAsync(`mqtt://127.0.0.1:${life.brokerPort}`);
  onTestFinished(() => reader.endAsync(true));
  reader.on('message', (topic, payload, { qos, retain }) => {
    heard.push({ topic, message: JSON.parse(payload.toString()).message, kind: `${qos} ${retain}` });
  });
  await reader.subscribeAsync('logs/#', { qos: 1 });
  const messages = () => heard.map(({ message }) => message);
  const platform = await life.platform({ members: [ownMember('Initialized')] });
  mkdirSync(join(life.folder, 'conf.d'));
  writeFileSync(join(life.folder, 'conf.d', 'logs.conf'), '[plugin log-publisher]\npollMs = 50\n');
  const options = { conf: { 'log.file.paths': `${file}|${file}.other` } };
  const first = await life.agent(options);
  await platform.waitFor('InstanceActivatedEvent');

  appendFileSync(file, 'one\n');
  await expect.poll(messages, { timeout: 10_000 }).toEqual(['one']);
  renameSync(file, `${file}.1`);
  writeFileSync(file, 'two\n');
  await expect.poll(messages, { timeout: 10_000 }).toEqual(['one', 'two']);
  process.kill(first.pid, 'SIGKILL');
  await first.exited;
  const agent = await life.agent(options);
  await expect
    .poll(
      () => {
        appendFileSync(file, 'three\n'); // as soon as somebody follows it again
        return messages();
      },
      { timeout: 15_000, interval: 200 },
    )
    .toContain('three');
  appendFileSync(file, 'last words\n');
  await platform.cleanupMember();
  await agent.exited;

  await expect.poll(messages).toContain('last words');
  expect(new Set(messages())).toEqual(new Set(['one', 'two', 'three', 'last words']));
  expect(new Set(heard.map(({ topic, kind }) => `${topic} ${kind}`))).toEqual(new Set(['logs/1/shop-app 0 false']));
});
