import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { definePlugin, type HookName, hooks, readPlugin, readVerdict } from '../plugins/contract.ts';

const run = async () => {};
const right = { name: 'php-server', contract: 1, hooks: { drain: run } };

describe('what a file exports', () => {
  test('is a plugin, with all that a plugin may have', () => {
    const plugin = definePlugin({
      name: 'a1-b2',
      contract: 1,
      version: '1.0.0',
      options: z.strictObject({ unit: z.string() }),
      hooks: {
        drain: run,
        clean: { run, timeoutMs: 0.5 + 1, retries: 0, before: ['service'], after: ['10-warm'], mode: 'audit' },
      },
      health: async () => ({ open: 1 }),
      checkout: { fetch: async () => ({ newCommit: 'a' }), place: run },
      commit: async () => null,
    });

    expect(readPlugin(plugin)).toEqual({ plugin, problems: [] });
  });

  test.for<[string, unknown]>([
    ['no more than what must be', { name: 'x', contract: 1 }],
    ['a hook that is left out by a condition', { ...right, hooks: { drain: undefined } }],
    ['a schema of another copy of zod', { ...right, options: { safeParse: () => ({ success: true }) } }],
    [
      'an instance of a class',
      new (class {
        readonly name = 'x';
        readonly contract = 1;
      })(),
    ],
  ])('may have %s', ([, value]) => {
    expect(readPlugin(value).problems).toEqual([]);
  });

  test.for<[unknown, string, string]>([
    [undefined, 'null', 'nothing is exported as default'],
    [null, 'null', 'no plugin'],
    ['php', 'null', 'no plugin'],
    [() => right, 'null', 'no plugin'],
    [[right], 'null', 'no plugin'],
    [{ ...right, name: undefined }, 'name', 'missing'],
    [{ ...right, name: 'PHP server' }, 'name', 'not a name'],
    [{ ...right, name: '10-warm' }, 'name', 'not a name'],
    [{ ...right, name: '../x' }, 'name', 'not a name'],
    [{ ...right, name: 'x\ny' }, 'name', 'not a name'],
    [{ ...right, name: 'x'.repeat(61) }, 'name', 'not a name'],
    [{ ...right, contract: undefined }, 'contract', 'missing'],
    [{ ...right, contract: '1' }, 'contract', 'not the number of a contract'],
    [{ ...right, contract: 2 }, 'contract', 'this agent knows contract 1, the plugin is written for 2'],
    [{ ...right, version: 1 }, 'version', 'not text'],
    [{ ...right, options: { unit: 'apache2' } }, 'options', 'not a schema'],
    [{ ...right, hooks: [run] }, 'hooks', 'not an object'],
    [{ ...right, hooks: { drain: null } }, 'hooks.drain', 'not a function'],
    [{ ...right, hooks: { drain: 'exit 0' } }, 'hooks.drain', 'not a function'],
    [{ ...right, hooks: { drain: {} } }, 'hooks.drain.run', 'missing'],
    [{ ...right, hooks: { drain: { run: 'x' } } }, 'hooks.drain.run', 'not usable'],
    [{ ...right, hooks: { drain: { run, timeoutMs: 0 } } }, 'hooks.drain.timeoutMs', 'not usable'],
    [{ ...right, hooks: { drain: { run, timeoutMs: '5s' } } }, 'hooks.drain.timeoutMs', 'not usable'],
    [{ ...right, hooks: { drain: { run, timeoutMs: Number.NaN } } }, 'hooks.drain.timeoutMs', 'not usable'],
    [{ ...right, hooks: { drain: { run, timeoutMs: 2 ** 31 } } }, 'hooks.drain.timeoutMs', 'not usable'],
    [{ ...right, hooks: { drain: { run, retries: 1.5 } } }, 'hooks.drain.retries', 'not usable'],
    [{ ...right, hooks: { drain: { run, retries: -1 } } }, 'hooks.drain.retries', 'not usable'],
    [{ ...right, hooks: { drain: { run, before: 'service' } } }, 'hooks.drain.before', 'not usable'],
    [{ ...right, hooks: { drain: { run, after: [''] } } }, 'hooks.drain.after', 'not usable'],
    [{ ...right, hooks: { drain: { run, mode: 'dry' } } }, 'hooks.drain.mode', 'not usable'],
    [{ ...right, hooks: { drain: { run, retry: 1 } } }, 'hooks.drain.retry', 'no such member'],
    [{ ...right, hooks: { constructor: run } }, 'hooks.constructor', 'no such hook'],
    [{ ...right, health: 1 }, 'health', 'not a function'],
    [{ ...right, checkout: run }, 'checkout', 'not an object'],
    [{ ...right, checkout: { fetch: run } }, 'checkout.place', 'not a function'],
    [{ ...right, commit: {} }, 'commit', 'not a function'],
  ])('is refused: %o, at %s', ([value, key, wrong]) => {
    const { plugin, problems } = readPlugin(value);

    expect(plugin).toBeNull();
    expect(problems.map((problem) => String(problem.key))).toEqual([key]);
    expect(problems[0]?.wrong).toContain(wrong);
    expect(problems[0]?.write).not.toBe('');
  });

  test('is told all that is wrong at once, with the word that was meant', () => {
    const { problems } = readPlugin({
      name: 'X',
      contract: 7,
      hook: {},
      hooks: { artifactUpdatd: run, artifact_updated: run, drain: { run, timeoutMS: 5 }, somethingElse: run },
    });

    expect(problems.map(({ key, nearest }) => [key, nearest])).toEqual([
      ['name', null],
      ['contract', null],
      ['hooks.drain.timeoutMS', 'timeoutMs'],
      ['hooks.artifactUpdatd', 'artifactUpdated'],
      ['hooks.artifact_updated', 'artifactUpdated'],
      ['hooks.somethingElse', null],
      ['hook', 'hooks'],
    ]);
    expect(structuredClone(problems)).toEqual(problems);
  });

  test('may break when it is looked at, and is refused', () => {
    const hostile = {
      get name() {
        throw new Error('caught you');
      },
    };

    expect(readPlugin(hostile).problems).toMatchObject([{ key: null, wrong: 'cannot be looked at: caught you' }]);
  });
});

describe('what a hook returns', () => {
  test.for<[HookName, unknown, object]>([
    ['drain', undefined, { kind: 'done' }],
    ['drain', { veto: 'no' }, { kind: 'veto', reason: 'no' }],
    ['drain', { hold: 'wait' }, { kind: 'hold', reason: 'wait', retryAfterMs: null }],
    ['drain', { hold: 'wait', retryAfterMs: 50 }, { kind: 'hold', reason: 'wait', retryAfterMs: 50 }],
    ['drain', { hold: 'wait', retryAfterMs: '50' }, { kind: 'failed' }],
    ['drain', { hold: 'wait', retryAfterMs: Number.POSITIVE_INFINITY }, { kind: 'failed' }],
    ['drain', { hold: 'wait', retryAfterMs: 50, retryAfter: undefined }, { kind: 'hold', retryAfterMs: 50 }],
    [
      'drain',
      { hold: 'wait', retryAfter: 3 },
      { kind: 'failed', reason: 'it returned retryAfter with its hold, did you mean retryAfterMs?' },
    ],
    [
      'clean',
      { veto: 'no', because: 'x' },
      { kind: 'failed', reason: 'it returned because with its veto, and a verdict has no such member' },
    ],
    ['drain', { veto: true }, { kind: 'failed' }],
    ['drain', { vetoed: 'no' }, { kind: 'failed' }],
    ['drain', { veto: 'no', hold: 'wait' }, { kind: 'failed' }],
    ['drain', false, { kind: 'failed' }],
    ['drain', null, { kind: 'failed' }],
    ['memberActivated', undefined, { kind: 'done' }],
    ['memberActivated', 7, { kind: 'done' }],
    ['memberActivated', { veto: 'no' }, { kind: 'failed', reason: 'a notice cannot veto' }],
    ['artifactDrifted', { hold: 'wait' }, { kind: 'failed', reason: 'a notice cannot hold' }],
  ])('%s, %o: %o', ([hook, returned, verdict]) => {
    expect(readVerdict(hook, returned)).toMatchObject(verdict);
  });

  test('is read in the same way for every gate', () => {
    const gates = (Object.keys(hooks) as HookName[]).filter((name) => hooks[name].kind === 'gate');

    expect(gates.map((name) => readVerdict(name, { veto: 'no' }).kind)).toEqual(gates.map(() => 'veto'));
  });
});
