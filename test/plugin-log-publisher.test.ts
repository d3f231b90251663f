import { appendFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { logTopic } from '../plugins/log-publisher/topic.ts';
import { expect } from './support/current-test.ts';
import { instance } from './support/hooks.ts';
import { type PluginStage, test } from './support/plugins.ts';

// The plugin `log-publisher` in its worker, and real files.

type Section = Readonly<Record<string, string>>;
type Line = { readonly message: string; readonly path: string; readonly isCut?: true; readonly skippedBytes?: number };

test('lines are published as they are written, and none that was there before', async ({ stage }) => {
  const file = join(stage.folder, 'one.log');
  writeFileSync(file, 'old\nhalf ');
  const { lines, published, follow } = await start(stage, { paths: file });
  await follow();

  appendFileSync(file, 'a line\nfirst\r\n\nsécond\nthi');
  await expect.poll(lines).toEqual(['first', 'sécond']);
  appendFileSync(file, 'rd\n');
  await expect.poll(lines).toEqual(['first', 'sécond', 'third']);

  expect(published[0]?.topic).toBe('logs/1/shop-app');
  expect(JSON.parse(published[0]?.payload ?? '')).toEqual({
    memberId: instance.memberId,
    path: file,
    logTime: expect.any(Number),
    message: 'first',
  });
});

test.for<[how: string, rotate: (file: string) => void]>([
  [
    'renamed, and a new one is begun',
    (file) => {
      renameSync(file, `${file}.1`);
      appendFileSync(`${file}.1`, 'last words\n'); // whoever writes has not noticed
      writeFileSync(file, 'new\n');
    },
  ],
  [
    'renamed, and the last line has no end',
    (file) => {
      appendFileSync(file, 'last words');
      renameSync(file, `${file}.1`);
      writeFileSync(file, 'new\n');
    },
  ],
])('a file may be %s', async ([, rotate], { stage }) => {
  const file = join(stage.folder, 'one.log');
  writeFileSync(file, '');
  const { lines, follow } = await start(stage, { paths: file });
  await follow();
  appendFileSync(file, 'first\n');
  await expect.poll(lines).toEqual(['first']);

  rotate(file);

  await expect.poll(lines).toEqual(['first', 'last words', 'new']);
  appendFileSync(file, 'newer\n');
  await expect.poll(lines).toEqual(['first', 'last words', 'new', 'newer']);
});

test('a file may be copied and emptied, and be longer than before when it is looked at again', async ({ stage }) => {
  const file = join(stage.folder, 'one.log');
  writeFileSync(file, '');
  const { lines, follow } = await start(stage, { paths: file });
  await follow();
  appendFileSync(file, 'first\n');
  await expect.poll(lines).toEqual(['first']);

  truncateSync(file);
  appendFileSync(file, 'a\n');
  await expect.poll(lines).toEqual(['first', 'a']);
  writeFileSync(file, 'longer than all that was in it\n');

  await expect.poll(lines).toEqual(['first', 'a', 'longer than all that was in it']);
});

test('a file may come later, go, or be none', async ({ stage }) => {
  const [later, folder] = [join(stage.folder, 'later.log'), join(stage.folder, 'folder')];
  await stage.file('../folder/x', '');
  const { lines, follow } = await start(stage, { paths: `${folder}, ${later}` });
  await follow();

  writeFileSync(later, 'first\n');

  await expect.poll(lines).toEqual(['first']);
  expect(stage.logged('plugin.log')).toMatchObject([
    { level: 'warn', fields: { path: folder, reason: 'it is not a file' }, msg: 'file cannot be followed' },
  ]);
});

test('a flood is held to the rate; what is left out is said, and the newest arrives', async ({ stage }) => {
  const [loud, quiet] = [join(stage.folder, 'loud.log'), join(stage.folder, 'quiet.log')];
  for (const file of [loud, quiet]) writeFileSync(file, '');
  const { said, published, follow, host } = await start(stage, { paths: `${loud}, ${quiet}`, bytesPerSecond: '20000' });
  await follow();
  const startedAt = performance.now();

  const text = Array.from({ length: 50_000 }, (_, line) => `line ${line} of a flood of lines\n`).join('');
  appendFileSync(loud, text);
  const skippedBytes = () => said().reduce((sum, line) => sum + (line.skippedBytes ?? 0), 0);
  await expect.poll(skippedBytes, { timeout: 10_000 }).toBeGreaterThan(text.length - 60_000);
  appendFileSync(quiet, 'heard all the same\n');
  await expect.poll(() => said().some(({ path }) => path === quiet)).toBe(true);

  const seconds = (performance.now() - startedAt) / 1_000;
  const bytes = published.reduce((sum, { payload }) => sum + Buffer.byteLength(payload), 0);
  expect(bytes).toBeLessThan(20_000 * (seconds + 1) + 1_000);
  expect(
    said()
      .filter(({ path }) => path === loud)
      .at(-1)?.message,
  ).toMatch(/^line 4[89]\d{3} of a flood of lines$/);
  expect(await host.health()).toEqual({ logs_left_out_bytes: skippedBytes() });
});

test('a line that is too long is cut, wherever it ends', async ({ stage }) => {
  const file = join(stage.folder, 'one.log');
  writeFileSync(file, '');
  const { said, follow } = await start(stage, { paths: file, lineBytes: '100', bytesPerSecond: '1000000' });
  await follow();

  appendFileSync(file, `${'x'.repeat(100)}\n${'y'.repeat(101)}\n${'z'.repeat(200_000)}`);
  await expect.poll(() => said().length).toBe(3);
  appendFileSync(file, `${'z'.repeat(1_000)}\nnext\n`);

  await expect.poll(() => said().length).toBe(4);
  expect(said().map(({ message, isCut }) => [message[0], message.length, isCut])).toEqual([
    ['x', 100, undefined],
    ['y', 100, true],
    ['z', 100, true],
    ['n', 4, undefined],
  ]);
});

test('the last words of the service are published, and nothing after them', async ({ stage }) => {
  const file = join(stage.folder, 'one.log');
  writeFileSync(file, '');
  const { lines, follow, host } = await start(stage, { paths: file, pollMs: '60000' });
  await follow();
  appendFileSync(file, 'stopped\n');

  expect((await stage.fire(host, 'clean', {})).asked).toEqual({ kind: 'done' });

  await expect.poll(lines).toEqual(['stopped']);
  expect(host.runnersFor('clean')).toMatchObject([{ order: { after: ['service'] } }]);
});

test('after a restart of the agent it goes on without any hook', async ({ stage }) => {
  const file = join(stage.folder, 'one.log');
  writeFileSync(file, '');
  const before = await start(stage, { paths: file });
  await before.follow();
  await before.host.close();
  appendFileSync(file, 'meanwhile\n');

  const after = await start(stage, { paths: file }, 'active');
  await after.host.health();
  appendFileSync(file, 'then\n');

  await expect.poll(after.lines).toEqual(['then']);
});

test('secrets a plugin was given are not published', async ({ stage }) => {
  await stage.plugin(
    'chatty',
    `hooks: { startServers: async ({ readSecret, publish, report, log }) => {
       const key = await readSecret('CARTRIDGE_KEY');
       publish('logs/1/shop', 'my key is ' + key);
       report('bad key ' + key);
       for (const topic of ['logs/', 'logs/+/x', 'logs/#', 'health/statistics/x']) {
         try { publish(topic as never, 'x'); } catch (error) { log.info({ name: error.name, topic }, 'refused'); }
       }
     } },`,
  );
  const { published, host } = await start(stage, undefined);

  await stage.fire(host, 'startServers', {});

  await expect.poll(() => stage.logged('plugin.log')).toHaveLength(4);
  expect(published).toEqual([{ topic: 'logs/1/shop', payload: 'my key is [redacted]' }]);
  expect(host.problems()).toMatchObject([{ message: 'plugin chatty reports: bad key [redacted]' }]);
  expect(stage.log()).not.toContain('opensesame');
});

test('what a plugin reports is over when its worker is, and what it floods is dropped', async ({ stage }) => {
  await stage.plugin(
    'loud',
    `hooks: {
       startServers: ({ publish, report }) => {
         report('broken');
         for (let sent = 0; sent < 30; sent += 1) publish('logs/1/shop', 'x'.repeat(100_000));
       },
       clean: () => process.exit(),
     },`,
  );
  const changes: number[] = [];
  const { published, host } = await start(stage, undefined, 'started', () => void changes.push(host.problems().length));

  await stage.fire(host, 'startServers', {});
  expect(host.problems()).toMatchObject([{ code: 'PLUGIN_REPORT', facts: { plugin: 'loud', problem: 'broken' } }]);
  expect(published.length).toBeLessThan(15);
  expect(stage.logged('plugin.textDropped')).toHaveLength(1);
  await stage.fire(host, 'clean', {});

  expect(host.problems()).toEqual([]);
  expect(changes).toEqual([1, 0]);
});

test.for<[clusterId: string, tenantId: number | null, topic: string]>([
  ['shop-app.web.php.domain', 7, 'logs/7/shop-app'],
  ['shop-app', -1234, 'logs/0/shop-app'],
  ['shop-app', -1, 'logs/0/shop-app'],
  ['shop-app', null, 'logs/0/shop-app'],
  ['sh/o+p#.web', 7, 'logs/7/sh_o_p_'],
])('the logs of cluster %s, tenant %s, are on %s', ([clusterId, tenantId, topic]) => {
  expect(logTopic({ ...instance, clusterId, tenantId })).toBe(topic);
});

/** @param section - undefined: it is not used */
async function start(stage: PluginStage, section: Section | undefined, state = 'started', onProblems = () => {}) {
  const published: { topic: string; payload: string }[] = [];
  const host = stage.host({
    options: section === undefined ? {} : { 'log-publisher': { pollMs: '10', ...section } },
    instance: () => ({ ...instance, state }),
    publish: (topic, payload) => void published.push({ topic, payload }),
    onProblems,
  });
  await host.ready;
  expect(host.problems()).toEqual([]);
  const said = (): Line[] => published.map(({ payload }) => JSON.parse(payload));
  const lines = () => said().map(({ message }) => message);
  const follow = async () => expect((await stage.fire(host, 'instanceStarting', {})).asked).toEqual({ kind: 'done' });
  return { host, published, said, lines, follow };
}
