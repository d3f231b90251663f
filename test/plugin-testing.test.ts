import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { definePlugin, type HookName, hooks, type Plugin } from '../plugins/contract.ts';
import { createPluginHarness } from '../plugins/testing.ts';

const phpServer = definePlugin({
  name: 'php-server',
  contract: 1,
  options: z.strictObject({ unit: z.string().default('apache2'), port: z.number().default(80) }),
  hooks: {
    artifactUpdated: async ({ options, exec, status, log }, { changedPaths }) => {
      status(`reloading ${options.unit}, ${changedPaths.length} files changed`);
      const reload = await exec('systemctl', ['reload-or-restart', options.unit]);
      log.info({ exitCode: reload.exitCode }, 'reloaded');
      return reload.exitCode === 0 ? undefined : { veto: reload.stderr.trim() };
    },
    drain: {
      timeoutMs: 30_000,
      run: async ({ exec, attempt, extend }) => {
        const { stdout } = await exec('ss', ['-Htn'], { timeoutMs: 500 });
        if (attempt === 1) extend(5_000);
        if (stdout === '') return;
        return { hold: `${stdout.split('\n').length} connections open`, retryAfterMs: 1_000 };
      },
    },
    instanceActivated: async ({ instance, readSecret }) => {
      if ((await readSecret('TOKEN')) !== `of ${instance.memberId} ${instance.state}`) throw new RangeError('no token');
    },
    clean: ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  },
  health: async ({ exec }) => ({ workers: Number((await exec('pgrep', ['-c', 'php'])).stdout) }),
});

test('a hook is fired with the sample, and everything it did is told', async () => {
  const harness = createPluginHarness(phpServer);

  const fired = await harness.fire('artifactUpdated');

  expect(fired).toEqual({
    verdict: { kind: 'done' },
    status: ['reloading apache2, 2 files changed'],
    calls: [{ command: 'systemctl', args: ['reload-or-restart', 'apache2'] }],
    log: [{ level: 'info', message: 'reloaded', fields: { exitCode: 0 } }],
    extendedMs: [],
    reports: [],
    published: [],
  });
});

test('options, programs and input are as the test says', async () => {
  const harness = createPluginHarness(phpServer, {
    options: { unit: 'nginx' },
    exec: (_, args) => ({ exitCode: 1, stderr: `${args[1]} is not there\n` }),
  });

  const { verdict, status } = await harness.fire('artifactUpdated', { changedPaths: [] });

  expect(verdict).toEqual({ kind: 'veto', reason: 'nginx is not there' });
  expect(status).toEqual(['reloading nginx, 0 files changed']);
});

test('a hold, and what differs in the next attempt', async () => {
  const harness = createPluginHarness(phpServer, { exec: async () => ({ stdout: 'one\ntwo' }) });

  const first = await harness.fire('drain');
  const second = await harness.fire('drain', {}, { attempt: 2 });

  expect(first.verdict).toEqual({ kind: 'hold', reason: '2 connections open', retryAfterMs: 1_000 });
  expect([first.extendedMs, second.extendedMs]).toEqual([[5_000], []]);
  expect(first.calls).toEqual([{ command: 'ss', args: ['-Htn'], options: { timeoutMs: 500 } }]);
});

test('what is thrown is a failure, and kept', async () => {
  const harness = createPluginHarness(phpServer);

  const { verdict, error } = await harness.fire('instanceActivated');

  expect(verdict).toEqual({ kind: 'failed', reason: 'no token' });
  expect(error).toBeInstanceOf(RangeError);
});

test('secrets and the instance are as the test says', async () => {
  const instance = { memberId: 'm1', state: 'started' };
  const harness = createPluginHarness(phpServer, { secrets: { TOKEN: 'of m1 started' }, instance });

  expect((await harness.fire('instanceActivated')).verdict).toEqual({ kind: 'done' });
});

test('a hook that waits ends with its signal', async () => {
  const overtaken = new AbortController();
  const firing = createPluginHarness(phpServer).fire('clean', {}, { signal: overtaken.signal });

  overtaken.abort(new Error('a cleanup overtakes'));

  expect((await firing).verdict).toEqual({ kind: 'failed', reason: 'a cleanup overtakes' });
});

test('numbers of health, and the programs it asked', async () => {
  const { numbers, calls } = await createPluginHarness(phpServer, { exec: () => ({ stdout: '4\n' }) }).health();

  expect(numbers).toEqual({ workers: 4 });
  expect(calls).toEqual([{ command: 'pgrep', args: ['-c', 'php'] }]);
});

test('a program that is not awaited is refused once the hook has ended', async () => {
  const late = Promise.withResolvers<unknown>();
  const hasty = definePlugin({
    name: 'hasty',
    contract: 1,
    hooks: {
      startServers: async ({ exec }) => {
        setImmediate(() => exec('daemon').then(late.resolve, late.reject));
      },
    },
  });

  const { calls } = await createPluginHarness(hasty).fire('startServers');

  await expect(late.promise).rejects.toThrow('cannot exec daemon: the hook has ended');
  expect(calls).toEqual([]);
});

test("what a plugin does to its input is nobody else's", async () => {
  const seen: string[][] = [];
  const greedy = definePlugin({
    name: 'greedy',
    contract: 1,
    hooks: {
      artifactUpdated: (_, { changedPaths }) => {
        seen.push([...changedPaths]);
        (changedPaths as string[]).length = 0;
      },
    },
  });
  const harness = createPluginHarness(greedy);

  await harness.fire('artifactUpdated');
  await harness.fire('artifactUpdated');

  expect(seen[1]).toEqual(seen[0]);
});

test('every hook has a sample to be fired with', async () => {
  const names = Object.keys(hooks) as HookName[];
  const all = Object.fromEntries(names.map((name) => [name, () => {}]));
  const harness = createPluginHarness(definePlugin({ name: 'all', contract: 1, hooks: all }));

  const verdicts = await Promise.all(names.map(async (name) => (await harness.fire(name)).verdict.kind));

  expect(new Set(verdicts)).toEqual(new Set(['done']));
});

test.for([
  { hook: 'artifactUpdated', input: { nope: 1 }, says: /nope: there is no such field, only tenantId, path, / },
  { hook: 'artifactUpdated', input: { changedPath: [] }, says: /changedPath: .*, did you mean changedPaths\?$/ },
  { hook: 'artifactUpdated', input: { instance: { memberId: 'm1' } }, says: /instance: there is no such field/ },
  { hook: 'drain', input: { path: '/', url: '' }, says: /path: there is no such field, and no other; url: / },
] as const)('$input is nothing $hook is ever told', async ({ hook, input, says }) => {
  const fired = createPluginHarness(phpServer).fire(hook, input as object);

  await expect(fired).rejects.toThrow(TypeError);
  await expect(fired).rejects.toThrow(says);
});

test('mistakes of a test are told as such', async () => {
  const harness = createPluginHarness(phpServer);
  const wrongPath = { path: 7 } as unknown as { path: string };

  await expect(harness.fire('startServers')).rejects.toThrow('php-server has no hook startServers');
  await expect(harness.fire('artifactUpdated', wrongPath)).rejects.toThrow(/never told this: path: /);
  await expect(
    createPluginHarness(phpServer, { options: { unit: 7 as unknown as string } }).fire('drain'),
  ).rejects.toThrow(/expected string/);
  await expect(createPluginHarness(definePlugin({ name: 'x', contract: 1 })).health()).rejects.toThrow('no health');
});

test('a plugin that breaks the contract is not tested, and all of it is told', () => {
  const broken = { name: 'Broken', contract: 2, hooks: { artifactUpdatd: () => {} } } as unknown as Plugin;

  const create = () => createPluginHarness(broken);

  expect(create).toThrow(/^cannot test this plugin:\nname: .*\ncontract: .*\nhooks.artifactUpdatd: .*artifactUpdated/);
});

test('it is typed after the plugin', () => {
  type Setup = NonNullable<Parameters<typeof createPluginHarness<NonNullable<typeof phpServer.options>>>[1]>;

  expectTypeOf<NonNullable<Setup['options']>>().toEqualTypeOf<{
    unit?: string | undefined;
    port?: number | undefined;
  }>();
  // @ts-expect-error a number where text belongs
  createPluginHarness(phpServer, { options: { unit: 7 } });
  // @ts-expect-error a misspelt hook
  const misspelt = () => createPluginHarness(phpServer).fire('artifactUpdatd');
  // @ts-expect-error a field no hook is told
  const stranger = () => createPluginHarness(phpServer).fire('artifactUpdated', { changed: [] });
  expect([misspelt, stranger]).toHaveLength(2);
});
