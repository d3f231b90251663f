import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { chown, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { never, type Stage, test } from './support/hooks.ts';

const nobody = 65_534;

test('a script over which the agent was killed is ended, and its folder removed', async ({ stage }) => {
  const { folder, pid } = await interrupted(stage);

  await stage.hooks().gate('clean', {}, { signal: never() });

  expect(readdirSync(stage.temporaryFolder)).not.toContain(folder);
  await expect.poll(() => isRunning(pid)).toBe(false);
  expect(stage.logged('hook.interrupted')).toHaveLength(1);
});

test('a process that has got the pid of such a script is left alone', async ({ stage }) => {
  const { folder, pid } = await interrupted(stage);
  const note = join(stage.temporaryFolder, folder, 'process');
  const [, startTime, ...rest] = (await readFile(note, 'utf8')).split(' ');
  await writeFile(note, [pid, Number(startTime) - 1, ...rest].join(' '));

  await stage.hooks().gate('clean', {}, { signal: never() });

  expect(readdirSync(stage.temporaryFolder)).not.toContain(folder);
  expect(isRunning(pid)).toBe(true);
});

test.runIf(process.getuid?.() === 0)('a folder that somebody else has made is not believed', async ({ stage }) => {
  const { folder, pid } = await interrupted(stage);
  await chown(join(stage.temporaryFolder, folder), nobody, nobody);

  await stage.hooks().gate('clean', {}, { signal: never() });

  expect(isRunning(pid)).toBe(true);
  await rm(join(stage.temporaryFolder, folder), { recursive: true });
});

test('a hook over which the agent ends again and again is not run for ever', async ({ stage }) => {
  await stage.script('startServers/10-fine', 'echo fine >> ../ran');
  await stage.script('startServers/20-deadly', 'echo deadly >> ../ran');
  const passed = ['startServers/10-fine'];
  const start = (attempt: number) => {
    const hooks = stage.hooks({ interrupted: ['startServers', 'clean'] });
    return { hooks, outcome: hooks.gate('startServers', {}, { signal: never(), attempt, passed }) };
  };

  const fifth = await start(5).outcome;
  const { hooks, outcome } = start(6);

  expect(fifth).toEqual({ kind: 'passed' });
  expect(await outcome).toMatchObject({
    kind: 'blocked',
    executable: 'startServers/20-deadly',
    reason: expect.stringContaining('the agent ended while it ran, and this was attempt 5'),
  });
  expect(stage.logged('hook.blocked')).toMatchObject([{ code: 'HOOK_ENDS_AGENT' }]);
  expect(stage.lines('ran')).toEqual(['deadly']);

  const retried = await hooks.gate('startServers', {}, { signal: never(), attempt: 7, passed });
  expect(retried).toEqual({ kind: 'passed' }); // an operator said so
});

test('whoever leaves passes such a hook over', async ({ stage }) => {
  await stage.script('clean/10-deadly', 'echo deadly >> ../ran');
  await stage.script('clean/20-fine', 'echo fine >> ../ran');

  const outcome = await stage.hooks({ interrupted: ['clean'] }).gate('clean', {}, { signal: never(), attempt: 6 });

  expect(outcome).toMatchObject({ kind: 'passed', degraded: expect.stringContaining('10-deadly') });
  expect(stage.lines('ran')).toEqual(['fine']);
});

/** What a killed agent leaves: the folder of a run, as a real one was, and a process of ours in the place of the script. */
async function interrupted(stage: Stage): Promise<{ folder: string; pid: number }> {
  await stage.script('drain/10-wait', 'until [ -e ../go ]; do sleep 0.02; done');
  await stage.script('clean/10-nothing', 'exit 0');
  const draining = stage.hooks().gate('drain', {}, { signal: never() });
  await expect.poll(() => noteIn(stage)).not.toBeNull();
  const [name = ''] = readdirSync(stage.temporaryFolder);
  const bootId = noteIn(stage)?.split(' ')[2];
  const left = await mkdtemp(join(stage.temporaryFolder, name.slice(0, name.lastIndexOf('-') + 1)));
  await cp(join(stage.temporaryFolder, name, 'stdin'), join(left, 'stdin'));
  await writeFile(join(stage.folder, 'go'), '');
  await draining;

  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  await writeFile(join(left, 'process'), `${pid} ${statOf(pid)[19]} ${bootId}`);
  return { folder: left.slice(stage.temporaryFolder.length + 1), pid };
}

function noteIn(stage: Stage): string | null {
  const [name = ''] = readdirSync(stage.temporaryFolder);
  try {
    return readFileSync(join(stage.temporaryFolder, name, 'process'), 'utf8');
  } catch {
    return null;
  }
}

function isRunning(pid: number): boolean {
  const state = statOf(pid)[0];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

function statOf(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}
