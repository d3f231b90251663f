import { chmod, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from 'vitest';
import { expect } from '../support/current-test.ts';
import { processesIn } from '../support/hooks.ts';
import { pluginText, test } from '../support/plugins.ts';

// Plugins nobody wants, each with what becomes of it: the outcome is right and in time, the agent's thread goes on, and
// nothing is left running (the stage looks for that).

const limitMs = 400;

/** Written as the body of a gate; `asked` is what the gate hears, `crashes` whether its worker ended over it. */
const hooks: readonly {
  readonly summary: string;
  readonly body: string;
  readonly asked: unknown;
  readonly crashes: number;
  readonly limitMs?: number;
}[] = [
  { summary: 'throws', body: `throw new Error('broken');`, asked: failed('broken'), crashes: 0 },
  { summary: 'throws nothing', body: 'throw undefined;', asked: failed('undefined'), crashes: 0 },
  {
    summary: 'rejects late',
    body: `await new Promise((done) => setTimeout(done, ${limitMs + 50})); throw new Error('late');`,
    asked: failed('late'),
    crashes: 0,
  },
  {
    summary: 'never resolves',
    body: 'await new Promise(() => {});',
    asked: failed(/did not end when told/),
    crashes: 1,
  },
  { summary: 'loops', body: 'for (;;);', asked: failed(/does not listen/), crashes: 1 },
  {
    summary: 'loops in a regular expression',
    body: `/^(a+)+$/.test('a'.repeat(60) + 'b');`,
    asked: failed(/does not listen/),
    crashes: 1,
  },
  {
    summary: 'exits',
    body: 'process.exit(7);',
    asked: failed('it called process.exit(7)'),
    crashes: 1,
    limitMs: 20_000,
  },
  {
    summary: 'aborts',
    body: 'process.abort();',
    asked: failed(/not supported in workers/),
    crashes: 0,
    limitMs: 20_000,
  },
  {
    summary: 'fills the heap',
    body: 'const all = []; for (;;) all.push({ length: all.length });',
    asked: failed(/MB in its heap/),
    crashes: 1,
    limitMs: 20_000,
  },
  {
    summary: 'fills buffers',
    body: 'const all = []; for (;;) { all.push(Buffer.alloc(8e6, 1)); await new Promise((done) => setTimeout(done, 5)); }',
    asked: failed(/MB in buffers/),
    crashes: 1,
    limitMs: 20_000,
  },
  {
    summary: 'throws where nobody catches',
    body: `setTimeout(() => { throw new Error('elsewhere'); }); await new Promise(() => {});`,
    asked: failed(/nobody catches: elsewhere/),
    crashes: 1,
    limitMs: 20_000,
  },
  {
    summary: 'returns garbage',
    body: 'return ["veto"] as never;',
    asked: failed(/neither nothing nor one of/),
    crashes: 0,
  },
  {
    summary: 'returns a veto that is no text',
    body: 'return { veto: 5 } as never;',
    asked: failed(/the reason of its veto is not text/),
    crashes: 0,
  },
  {
    summary: 'returns what cannot be passed on',
    body: 'return (() => {}) as never;',
    asked: failed(/could not be cloned/),
    crashes: 0,
  },
  {
    summary: 'vetoes with a book',
    body: `return { veto: 'x'.repeat(5e6) };`,
    asked: { kind: 'veto', reason: 'x'.repeat(1000) },
    crashes: 0,
    limitMs: 20_000,
  },
  {
    summary: 'floods the port of its worker',
    body: `const { parentPort } = await import('node:worker_threads');
           for (;;) parentPort?.postMessage({ type: 'status', call: 1, text: 'x'.repeat(1000) });`,
    asked: failed(/floods the agent/),
    crashes: 1,
    limitMs: 20_000,
  },
  {
    summary: 'posts garbage to the agent',
    body: `const { parentPort } = await import('node:worker_threads');
           for (const one of [null, 5, {}, { type: 'ended' }, { type: 'ended', call: 999 }, { type: 'ask', call: 1, id: 1, what: 'x', args: [] },
             { type: 'described' }, { type: 'log', call: 1, level: 'fatal', fields: '{', message: '' }]) parentPort?.postMessage(one);`,
    asked: { kind: 'done' },
    crashes: 0,
    limitMs: 20_000,
  },
];

test.for(hooks)('a gate that $summary', async ({ body, asked, crashes, limitMs: limit = limitMs }, { stage }) => {
  await stage.plugin('zoo', `hooks: { startServers: async () => { ${body} }, clean: () => {} },`);
  const host = stage.host();
  await host.ready;
  using pulse = takePulse();

  const fired = await stage.fire(host, 'startServers', {}, { limitMs: limit });

  expect(fired.asked).toEqual(asked);
  expect(fired.tookMs).toBeLessThan(limit + 1_500);
  expect(host.list()).toMatchObject([{ crashes }]);
  expect(pulse.longestPauseMs()).toBeLessThan(1_000);
  expect((await stage.fire(host, 'clean', {})).asked).toEqual({ kind: 'done' }); // it is up again
});

test('one that crashes again and again is off, and the others go on', async ({ stage }) => {
  await stage.plugin('crashing', 'hooks: { clean: () => process.exit(1) },');
  await stage.plugin('steady', 'hooks: { clean: () => {} },');
  const host = stage.host();
  await host.ready;
  const [crashing, steady] = host.runnersFor('clean');
  if (crashing === undefined || steady === undefined) throw new Error('not both');

  for (let nth = 0; nth < 4; nth += 1) {
    const { asked } = await stage.fire(host, 'clean', {}, { runner: crashing });
    expect(asked).toEqual({ kind: 'failed', reason: 'it called process.exit(1)' });
  }

  expect((await stage.fire(host, 'clean', {}, { runner: crashing })).asked).toMatchObject({
    kind: 'cannotRun',
    error: { code: 'PLUGIN_OFF' },
  });
  expect((await stage.fire(host, 'clean', {}, { runner: steady })).asked).toEqual({ kind: 'done' });
  expect(host.runnersFor('clean').map(({ name }) => name)).toEqual(['clean steady']);
  expect(host.problems()).toMatchObject([{ code: 'PLUGIN_OFF', plugin: 'crashing', isConfiguration: false }]);
  expect(host.list()).toMatchObject([
    { name: 'crashing', state: 'off', crashes: 4 },
    { state: 'running', crashes: 0 },
  ]);
});

test('one that has ended leaves timers and an unhandled rejection behind: the next call finds it up again', async ({
  stage,
}) => {
  await stage.plugin(
    'leaking',
    `hooks: {
       startServers: () => { setInterval(() => {}, 1); net.createServer().listen(0, '127.0.0.1'); setTimeout(() => Promise.reject(new Error('after the end')), 20); },
       clean: () => {},
     },`,
    `import net from 'node:net';`,
  );
  const host = stage.host();
  await host.ready;

  expect((await stage.fire(host, 'startServers', {})).asked).toEqual({ kind: 'done' });
  await expect
    .poll(() => stage.logged('plugin.crashed'))
    .toMatchObject([{ reason: expect.stringContaining('after the end') }]);

  expect((await stage.fire(host, 'clean', {})).asked).toEqual({ kind: 'done' });
});

test('one that changes its own file goes on as it was, until it has to be started again', async ({ stage }) => {
  const path = join(stage.pluginsDir, 'changing.ts');
  await stage.plugin(
    'changing',
    `hooks: { startServers: () => writeFileSync('${path}', 'export default {{{'), clean: () => {}, drain: () => process.exit(1) },`,
    `import { writeFileSync } from 'node:fs';`,
  );
  const host = stage.host();
  await host.ready;
  const [clean] = host.runnersFor('clean');
  if (clean === undefined) throw new Error('no runner');

  expect((await stage.fire(host, 'startServers', {})).asked).toEqual({ kind: 'done' });
  expect((await stage.fire(host, 'clean', {})).asked).toEqual({ kind: 'done' });
  await stage.fire(host, 'drain', {});
  const broken = await stage.fire(host, 'clean', {}, { runner: clean });

  expect(broken.asked).toEqual(failed(/cannot go on with plugin changing/));
  expect(host.problems()).toMatchObject([{ code: 'PLUGIN_OFF', plugin: 'changing' }]);
});

test('one that took over checkout and brings nonsense has failed, and is asked again', async ({ stage }) => {
  await stage.plugin(
    'svn',
    `checkout: {
       fetch: async (_context, { oldCommit }) => (oldCommit === 'r1' ? { newCommit: 5 } : { newCommit: 'x', changedPaths: 'all' }) as never,
       place: async () => { for (;;); },
     },`,
  );
  const host = stage.host();
  await host.ready;
  const wanted = { tenantId: '1', path: '/a', repoUrl: 'svn://x', branch: null, credential: null, oldCommit: 'r1' };
  const work = host.checkout();
  const call = () => ({ signal: AbortSignal.timeout(limitMs), attempt: 1 });

  await expect(work?.fetch(wanted, call())).rejects.toMatchObject({ code: 'PLUGIN_FAILED', lasting: false });
  await expect(work?.fetch({ ...wanted, oldCommit: null }, call())).rejects.toThrow(/changedPaths/);
  await expect(work?.place({ ...wanted, newCommit: 'r2' }, call())).rejects.toThrow(/does not listen/);
  await expect(work?.fetch(wanted, { ...call(), signal: AbortSignal.timeout(20_000) })).rejects.toThrow(/newCommit/);
});

test('one that floods stdout, the log and its status costs a few lines', async ({ stage }) => {
  await stage.plugin(
    'loud',
    `hooks: { startServers: async ({ log, status }) => {
       const line = 'x'.repeat(1023) + '\\n';
       for (let nth = 0; nth < 1e6; nth += 1) process.stdout.write(line);
       for (let nth = 0; nth < 1e5; nth += 1) { log.info({ nth }, 'again'); status('at ' + nth); console.error(nth); }
       status('y'.repeat(1e7));
     } },`,
  );
  const host = stage.host();
  await host.ready;
  using pulse = takePulse();

  const fired = await stage.fire(host, 'startServers', {});

  expect(fired.asked).toEqual({ kind: 'done' });
  expect(fired.statuses.length).toBeLessThan(200);
  expect(fired.statuses.at(-1)).toBe('y'.repeat(1000));
  expect(stage.log().length).toBeLessThan(1024 * 1024);
  await expect.poll(() => stage.logged('plugin.output').length).toBeGreaterThan(10);
  expect(stage.log().length).toBeLessThan(1024 * 1024);
  expect(pulse.longestPauseMs()).toBeLessThan(1_000);
});

test('a program that ignores TERM, and one that was forgotten, are ended with their hook', async ({ stage }) => {
  const marker = join(stage.folder, 'marker');
  await stage.plugin(
    'forker',
    `hooks: {
       startServers: async ({ exec }) => { await exec('sh', ['-c', 'trap "" TERM; while :; do sleep 0.05; done', '${marker}']); },
       clean: ({ exec }) => { exec('sh', ['-c', 'while :; do sleep 0.05; done', '${marker}']).catch(() => {}); },
       drain: async ({ exec }) => { for (let nth = 0; nth < 40; nth += 1) exec('sleep', ['60', '${marker}']).catch(() => {}); for (;;); },
     },`,
  );
  const host = stage.host();
  await host.ready;

  const stubborn = await stage.fire(host, 'startServers', {}, { limitMs });
  const forgotten = await stage.fire(host, 'clean', {});
  const bomb = await stage.fire(host, 'drain', {}, { limitMs });

  expect(stubborn.asked).toEqual({ kind: 'failed', reason: 'not done within its time limit' });
  expect(forgotten.asked).toEqual({ kind: 'done' });
  expect(bomb.asked).toEqual(failed(/does not listen/));
  await expect.poll(() => processesIn(marker)).toEqual([]);
});

test('a daemon that a program has started stays when the program has ended', async ({ stage }) => {
  await stage.plugin(
    'starter',
    `hooks: { startServers: async ({ exec, log }) => {
       const { stdout } = await exec('sh', ['-c', 'sleep 60 & echo $!']);
       log.info({ pid: Number(stdout) }, 'started');
     } },`,
  );
  const host = stage.host();
  await host.ready;

  expect((await stage.fire(host, 'startServers', {})).asked).toEqual({ kind: 'done' });
  await host.close();

  const [started] = stage.logged('plugin.log') as unknown as { fields: { pid: number } }[];
  const pid = started?.fields.pid ?? Number.NaN;
  expect(process.kill(pid, 0)).toBe(true);
  process.kill(pid, 'SIGKILL');
});

test('a notice that thinks it is a gate has failed; what else it returns says nothing', async ({ stage }) => {
  await stage.plugin(
    'confused',
    `hooks: { memberStarted: (() => ({ veto: 'I mind' })) as never, memberActivated: (() => 5) as never },`,
  );
  const host = stage.host();
  await host.ready;
  const told = {} as never;

  expect((await stage.fire(host, 'memberStarted', told)).asked).toEqual(failed('a notice cannot veto'));
  expect((await stage.fire(host, 'memberActivated', told)).asked).toEqual({ kind: 'done' });
});

describe('at start', () => {
  test('all that is wrong with the configuration is told at once, before any hook is called', async ({ stage }) => {
    const body = 'hooks: { clean: () => {} },';
    await stage.file('old.ts', pluginText('old', body).replace('contract: 1', 'contract: 2 as never'));
    await stage.plugin('options', `options: z.strictObject({ port: z.number(), hosts: z.array(z.string()) }), ${body}`);
    await stage.plugin('optionless', body);
    await stage.plugin(
      'misspelt',
      'hooks: { startServer: () => {}, clean: { run() {}, timeoutMs: -1 } } as never, hook: {},' as never,
    );
    await stage.file('renamed.ts', pluginText('other', body));
    await stage.file('twice.js', '');
    await stage.file('twice.ts', '');
    await stage.file('nothing.js', 'export const x = 1;');
    await stage.plugin('git-one', `checkout: { fetch: async () => ({ newCommit: '1' }), place: async () => {} },`);
    await stage.plugin('git-two', `checkout: { fetch: async () => ({ newCommit: '1' }), place: async () => {} },`);
    const host = stage.host({
      options: {
        options: { port: 'many', hots: 'a' },
        optionless: { a: '1' },
        'git-tow': {},
        old: { x: '1' },
        misspelt: { port: '1' },
      },
    });
    await host.ready;

    const told = host.problems().map(({ code, message }) => `${code} ${message}`);
    expect(told.sort()).toEqual([
      'PLUGIN_CONFLICT cannot use more than one plugin called twice: ' +
        `${join(stage.pluginsDir, 'twice.js')}, ${join(stage.pluginsDir, 'twice.ts')}`,
      'PLUGIN_CONFLICT cannot use more than one plugin taking over checkout: git-one, git-two',
      'PLUGIN_INVALID cannot use plugin misspelt: hook: a plugin has no such member, did you mean hooks?',
      'PLUGIN_INVALID cannot use plugin misspelt: hooks.clean.timeoutMs: not usable',
      'PLUGIN_INVALID cannot use plugin misspelt: hooks.startServer: there is no such hook, did you mean startServers?',
      'PLUGIN_INVALID cannot use plugin misspelt: it has no options, but its section has port',
      'PLUGIN_INVALID cannot use plugin nothing: nothing is exported as default',
      'PLUGIN_INVALID cannot use plugin old: contract: this agent knows contract 1, the plugin is written for 2',
      'PLUGIN_INVALID cannot use plugin optionless: it has no options, but its section has a',
      'PLUGIN_INVALID cannot use plugin options: port: Invalid input: expected number, received string; ' +
        'hosts: Invalid input: expected array, received undefined; Unrecognized key: "hots", did you mean hosts?',
      'PLUGIN_INVALID cannot use plugin renamed: it calls itself other',
      'PLUGIN_NOT_FOUND cannot find plugin git-tow, did you mean git-two?',
    ]);
    expect(host.problems().every(({ isConfiguration }) => isConfiguration)).toBe(true);
    expect(host.runnersFor('clean')).toEqual([]);
  });

  test('a broken one is reported, and the others are used', async ({ stage }) => {
    await stage.file('syntax.ts', 'export default {{{');
    await stage.file('throwing.ts', `throw new Error('at load');`);
    await stage.file('exiting.ts', 'process.exit(3);');
    await stage.file('missing-import.ts', `import 'no-such-package'; export default {};`);
    await stage.file('enums.ts', 'enum Colour { red } export default Colour;');
    await stage.file('no-module/package.json', '{}');
    await stage.file('bad-package/package.json', '{');
    await symlink('loop.ts', join(stage.pluginsDir, 'loop.ts'));
    await stage.plugin('good', 'hooks: { clean: () => {} },');
    const host = stage.host();
    using pulse = takePulse();
    await host.ready;

    const told = new Map(host.problems().map(({ code, plugin, message }) => [plugin, `${code} ${message}`]));
    expect(Object.fromEntries(told)).toEqual({
      syntax: expect.stringMatching(/^PLUGIN_BROKEN cannot load plugin syntax: /),
      throwing: 'PLUGIN_BROKEN cannot load plugin throwing: at load',
      exiting: 'PLUGIN_BROKEN cannot load plugin exiting: it called process.exit(3)',
      'missing-import': expect.stringMatching(/^PLUGIN_BROKEN .* Cannot find package 'no-such-package'/),
      enums: expect.stringMatching(/^PLUGIN_BROKEN .* enum is not supported/),
      'no-module': expect.stringMatching(/^PLUGIN_BROKEN .* its package.json names no module/),
      'bad-package': expect.stringMatching(/^PLUGIN_BROKEN .* JSON/),
      loop: expect.stringMatching(/^PLUGIN_BROKEN .* ELOOP/),
    });
    expect(host.problems().some(({ isConfiguration }) => isConfiguration)).toBe(false);
    expect(host.runnersFor('clean').map(({ name }) => name)).toEqual(['clean good']);
    expect(pulse.longestPauseMs()).toBeLessThan(1_000);
  });

  test('one that never ends loading, or takes all the memory over it, is waited for so long and no longer', async ({
    stage,
  }) => {
    await stage.file('looping.js', 'for (;;);');
    await stage.file('waiting.js', 'await new Promise((done) => setTimeout(done, 1e6));');
    await stage.file('hungry.js', 'const all = []; for (;;) all.push({ length: all.length });');
    const host = stage.host({ timing: { startMs: 2_000, heapLimitMb: 60 } });
    const startedAt = performance.now();
    await host.ready;

    expect(performance.now() - startedAt).toBeLessThan(4_000);
    expect(
      host
        .problems()
        .map(({ message }) => message)
        .sort(),
    ).toEqual([
      'cannot load plugin hungry: it has more than 60 MB in its heap',
      'cannot load plugin looping: it was not loaded within 2000 ms',
      'cannot load plugin waiting: it was not loaded within 2000 ms',
    ]);
  });

  test('what everybody may change is refused, and not even loaded', async ({ stage }) => {
    const mark = `appendFileSync('${join(stage.folder, 'ran')}', 'ran\\n');`;
    await stage.plugin('file', 'hooks: {},', mark);
    await stage.file('folder/package.json', '{ "main": "lib/main.js", "type": "module" }');
    await stage.file('folder/lib/main.js', pluginText('folder', 'hooks: {},', mark));
    await stage.plugin('fine', 'hooks: {},');
    await chmod(join(stage.pluginsDir, 'file.ts'), 0o666);
    await chmod(join(stage.pluginsDir, 'folder/lib'), 0o777);
    const host = stage.host();
    await host.ready;

    expect(host.problems()).toMatchObject([
      { code: 'PLUGIN_REFUSED', plugin: 'file', isConfiguration: false },
      { code: 'PLUGIN_REFUSED', plugin: 'folder', facts: { path: join(stage.pluginsDir, 'folder/lib') } },
    ]);
    expect(host.list().map(({ name }) => name)).toEqual(['fine']);

    await chmod(stage.pluginsDir, 0o1777);
    const open = stage.host({ options: { fine: {} } });
    await open.ready;

    expect(open.problems()).toMatchObject([
      { code: 'PLUGIN_REFUSED', plugin: null, facts: { path: stage.pluginsDir } },
    ]);
    expect(open.list()).toEqual([]);
    expect(stage.lines('ran')).toEqual([]);
    await chmod(stage.pluginsDir, 0o755);
  });

  test('a plugin in a sticky folder is accepted by its link: nobody can replace what is ours', async ({ stage }) => {
    const sticky = join(stage.folder, 'sticky');
    await stage.file('../sticky/kept.ts', pluginText('kept', ''));
    await stage.file('../sticky/folder/package.json', '{}');
    await stage.file('../sticky/folder/index.ts', pluginText('folder', ''));
    for (const name of ['kept.ts', 'folder']) await symlink(join(sticky, name), join(stage.pluginsDir, name));
    await chmod(sticky, 0o1777);
    const host = stage.host();
    await host.ready;

    expect(host.problems()).toEqual([]);
    expect(host.list().map(({ name }) => name)).toEqual(['folder', 'kept']);

    await chmod(join(sticky, 'folder'), 0o1777); // here a file may be put beside ours, and be imported
    const careless = stage.host();
    await careless.ready;
    expect(careless.problems()).toMatchObject([{ code: 'PLUGIN_REFUSED', facts: { path: join(sticky, 'folder') } }]);

    await chmod(sticky, 0o777);
    const open = stage.host();
    await open.ready;
    expect(open.problems()).toMatchObject([
      { code: 'PLUGIN_REFUSED', plugin: 'folder' },
      { code: 'PLUGIN_REFUSED', plugin: 'kept', facts: { path: sticky } },
    ]);
  });

  test('a host that is closed at once leaves nothing running', async ({ stage }) => {
    await stage.file('looping.ts', 'for (;;);');
    await stage.plugin('good', 'hooks: { clean: () => {} },');
    const host = stage.host();

    await host.close();

    expect(host.problems()).toEqual([]);
    await host.ready;
  });
});

function failed(reason: string | RegExp) {
  return { kind: 'failed', reason: typeof reason === 'string' ? reason : expect.stringMatching(reason) };
}

/** How long this thread could do nothing. */
function takePulse(): Disposable & { longestPauseMs(): number } {
  let beatAtMs = performance.now();
  let longestMs = 0;
  const timer = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - beatAtMs);
    beatAtMs = performance.now();
  }, 5);
  return { longestPauseMs: () => longestMs, [Symbol.dispose]: () => clearInterval(timer) };
}
