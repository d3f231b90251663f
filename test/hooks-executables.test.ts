import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { HookUnusableError } from '../agent/hooks/executables.ts';
import { watchProblems } from '../agent/hooks/problems.ts';
import { createLog } from '../agent/log.ts';
import { onTestFinished } from './support/current-test.ts';
import { never, test } from './support/hooks.ts';

const log = (word: string) => `echo ${word} >> ../order`;

test('runs the Stratos script first, then by number and by name, without reading names as text', async ({ stage }) => {
  await stage.script('startServers/10-b', log('10-b'));
  await stage.script('startServers/9-z', log('9-z'));
  await stage.script('startServers/10-a', log('10-a'));
  await stage.script('startServers/00-first', log('00-first'));
  await stage.script('StartServers.sh', log('stratos'));
  const hooks = stage.hooks();

  const outcome = await hooks.gate('startServers', {}, { signal: never() });

  expect(outcome).toEqual({ kind: 'passed' });
  expect(stage.lines('order')).toEqual(['stratos', '00-first', '9-z', '10-a', '10-b']);
});

test('looks at the folder afresh each time', async ({ stage }) => {
  await stage.script('instanceStarting/10-old', log('old'));
  const hooks = stage.hooks();
  await hooks.gate('instanceStarting', {}, { signal: never() });
  await rm(join(stage.extensionsDir, 'instanceStarting/10-old'));
  await stage.script('instanceStarting/20-new', log('new'));

  await hooks.gate('instanceStarting', {}, { signal: never() });

  expect(stage.lines('order')).toEqual(['old', 'new']);
});

test.for([
  { problem: 'notExecutable', prepare: (path: string) => chmod(path, 0o644) },
  { problem: 'worldWritable', prepare: (path: string) => chmod(path, 0o777) },
  { problem: 'lineEndings', prepare: (path: string) => writeFile(path, '#!/bin/sh\r\nexit 0\r\n') },
  { problem: 'lineEndings', prepare: (path: string) => writeFile(path, '#!/usr/bin/env sh\r\nexit 0\r\n') },
  { problem: 'interpreter', prepare: (path: string) => writeFile(path, '#!/no/such/python -u\n') },
  { problem: 'interpreter', prepare: (path: string) => writeFile(path, '#!/usr/bin\n') },
  { problem: 'linkLoop', prepare: (path: string) => rm(path).then(() => symlink('10-it', path)) },
  { problem: 'missing', prepare: (path: string) => rm(path).then(() => symlink('/no/such/file', path)) },
  { problem: 'notAFile', prepare: (path: string) => rm(path).then(() => mkdir(path)) },
])(
  'a script with the problem $problem blocks, and the log says what to do, at the start and then',
  async ({ problem, prepare }, { stage }) => {
    await stage.script('startServers/10-it', log('ran'));
    await prepare(join(stage.extensionsDir, 'startServers/10-it'));

    const hooks = stage.hooks();

    const outcome = await hooks.gate('startServers', {}, { signal: never() });

    expect(outcome).toMatchObject({ kind: 'blocked', by: 'failure', executable: 'startServers/10-it' });
    expect(await hooks.problems).toMatchObject([{ code: 'HOOK_UNUSABLE', facts: { problem } }]);
    expect(stage.logged('hook.problem')).toMatchObject([{ level: 'error', code: 'HOOK_UNUSABLE' }]);
    expect(stage.lines('order')).toEqual([]);
    expect(stage.logged('hook.blocked')).toMatchObject([
      { code: 'HOOK_UNUSABLE', remedy: expect.stringMatching(/\.$/), err: { problem } },
    ]);
  },
);

test('a file that is no hook by its name is named in the log, once', async ({ stage }) => {
  await stage.script('startServers/warm', log('warm'));
  await stage.script('startServers/20-old~', log('old'));
  await stage.script('startServers/.hidden', log('hidden'));
  const hooks = stage.hooks();
  await hooks.gate('startServers', {}, { signal: never() });

  await hooks.gate('startServers', {}, { signal: never() });

  expect(stage.lines('order')).toEqual([]);
  const misnamed = stage.logged('hook.misnamed').map(({ file }) => file);
  expect(misnamed.sort()).toEqual(['startServers/20-old~', 'startServers/warm']);
});

test('a hook folder that is none blocks, but not when we leave', async ({ stage }) => {
  await Promise.all(['startServers', 'clean'].map((name) => writeFile(join(stage.extensionsDir, name), 'a file')));
  const hooks = stage.hooks();

  const [starting, leaving] = await Promise.all([
    hooks.gate('startServers', {}, { signal: never() }),
    hooks.gate('clean', {}, { signal: never(), budgetMs: 1_000 }),
  ]);

  expect(starting).toMatchObject({ kind: 'blocked', by: 'failure' });
  expect(leaving).toMatchObject({ kind: 'passed', degraded: expect.stringContaining('cannot look into') });
});

test('names that are nearly those of hooks are told at the start, in one line', async ({ stage }) => {
  await stage.script('artifactUpdate/10-warm', '');
  await stage.script('Clean.sh', '');
  await stage.script('StartServers', '');
  await stage.script('onStart/10-it', '');
  await stage.script('CopyArtifacts.sh', '');
  await stage.script('lib/functions.sh', '');
  await stage.script('common.sh', '', 0o644);
  await stage.script('README', '', 0o644);
  await stage.script('.git/10-it', '');
  await stage.script('drain/10-it', '');
  await stage.script('StartServers.sh', '');

  const problems = await stage.hooks().problems;

  const unknown = [
    { name: 'Clean.sh', nearest: 'clean.sh' },
    { name: 'CopyArtifacts.sh', nearest: null },
    { name: 'StartServers', nearest: 'StartServers.sh' },
    { name: 'artifactUpdate/', nearest: 'artifactUpdated/' },
    { name: 'onStart/', nearest: null },
  ];
  expect(problems).toMatchObject([{ code: 'HOOK_NAME_UNKNOWN', facts: { unknown } }]);
  expect(stage.logged('hook.problem')).toMatchObject([
    { level: 'warn', err: { message: expect.stringContaining('artifactUpdate/ (did you mean artifactUpdated/?)') } },
  ]);
});

test('an extensions folder that is not there is no problem', async ({ stage }) => {
  const hooks = stage.hooks({ extensionsDir: join(stage.folder, 'none') });

  expect(await hooks.problems).toEqual([]);
  expect(await hooks.gate('startServers', {}, { signal: never() })).toEqual({ kind: 'passed' });
});

test('a script may change its own file: the next run is by what is there then', async ({ stage }) => {
  await stage.script(
    'startServers/10-it',
    `${log('old')}; printf '#!/bin/sh\\n${log('new')}\\n' > "$0.new"; chmod 755 "$0.new"; mv "$0.new" "$0"`,
  );
  await stage.script('drain/10-it', 'chmod 666 "$0"');
  const hooks = stage.hooks();

  for (const gate of ['startServers', 'startServers', 'drain'] as const) {
    expect(await hooks.gate(gate, {}, { signal: never() })).toEqual({ kind: 'passed' });
  }

  expect(stage.lines('order')).toEqual(['old', 'new']);
  expect(await hooks.gate('drain', {}, { signal: never() })).toMatchObject({
    degraded: expect.stringMatching(/cannot run/),
  });
});

test('what was wrong is looked at again until it is mended', async () => {
  const unusable = new HookUnusableError('/ext/clean.sh', 'notExecutable');
  const findings = [[unusable], [unusable], []];
  const told: string[][] = [];
  const closing = new AbortController();
  onTestFinished(() => closing.abort());

  await watchProblems({
    check: async () => findings.shift() ?? [],
    onFound: (problems) => void told.push(problems.map(({ code }) => code)),
    againMs: 1,
    log: createLog({ level: 'silent', pretty: false, colour: false }),
    signal: closing.signal,
  });

  await expect.poll(() => told).toEqual([['HOOK_UNUSABLE'], []]);
});
