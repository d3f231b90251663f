import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ownMember } from '../agent/demo/story.ts';
import { type Life, lifeTest as test } from './support/life.ts';
import { runStatus } from './support/status.ts';

const veto = 'echo \'{"veto":"no licence"}\' >&3; exit 1';

describe('the command', () => {
  test('reads of agent.conf where the state is, and nothing else of it matters', async ({ life }) => {
    await life.platform({ members: [ownMember('Initialized')] });
    const agent = await life.agent();
    await agent.entered('active', AbortSignal.timeout(20_000));
    const conf = join(life.folder, 'broken.conf');
    await writeFile(
      conf,
      '[agent]\nmisspelt = 1\nparam.file.path = /nowhere\nstate.dir = state\nport.check.timeout = never\n',
    );

    const { code, stdout } = await runStatus(['--conf', conf, '--assert', 'state=active condition=ok']);

    expect(code).toBe(0);
    expect(stdout).toMatch(/^● /);
  });

  test('waits for an agent that is yet to come', async ({ life }) => {
    await life.platform({ members: [ownMember('Initialized')] });
    const waiting = runStatus(['--state-dir', state(life), '--wait', 'active', '--timeout', '30s', '--json']);

    await life.agent();

    const { code, stdout } = await waiting;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ state: 'active', source: 'agent' });
  });

  test('does not take the word of a journal for an agent that is yet to come', async ({ life }) => {
    await life.platform({ members: [ownMember('Initialized')] });
    const agent = await life.agent();
    await agent.entered('active', AbortSignal.timeout(20_000));
    process.kill(agent.pid, 'SIGKILL');
    await agent.exited;

    const run = await runStatus(['--state-dir', state(life), '--wait', 'active', '--timeout', '300ms', '--json']);

    expect(run.code).toBe(4);
    expect(JSON.parse(run.stdout)).toMatchObject({ state: 'active', source: 'journal' });
  });

  test('ends waiting when the time is over, or the state is past', async ({ life }) => {
    await life.platform({ members: [ownMember('Initialized')] });
    const agent = await life.agent({ hooks: { 'startServers/10-licence': veto } });
    await agent.logged(({ condition }) => condition === 'blocked');

    const [over, past] = await Promise.all([
      runStatus(['--state-dir', state(life), '--wait', 'active', '--timeout', '300ms']),
      runStatus(['--state-dir', state(life), '--wait', 'created']),
    ]);

    expect(over).toMatchObject({ code: 4, stderr: 'the instance has not become active: it is started\n' });
    expect(over.stdout).toMatch(/^▲ /);
    expect(past).toMatchObject({ code: 1, stderr: 'the instance is past being created: it is started\n' });
  });

  test.for([
    { args: ['--assert', 'state=started'], code: 0, stderr: '' },
    {
      args: ['--assert', 'state=active', '--assert', 'condition=ok'],
      code: 1,
      stderr: 'state is started, not active\ncondition is blocked, not ok\n',
    },
  ])('$args ends with $code', async ({ args, code, stderr }, { life }) => {
    await life.platform({ members: [ownMember('Initialized')] });
    const agent = await life.agent({ hooks: { 'startServers/10-licence': veto } });
    await agent.logged(({ condition }) => condition === 'blocked');

    const run = await runStatus(['--state-dir', state(life), ...args]);

    expect(run).toMatchObject({ code, stderr, stdout: expect.stringMatching(/^▲ /) });
  });

  test('colours its words if it is told to, and only then', async ({ life }) => {
    await life.agent();
    await expect.poll(() => existsSync(join(state(life), 'control.sock'))).toBe(true);

    const [off, on, none] = await Promise.all([
      runStatus(['--state-dir', state(life)]),
      runStatus(['--state-dir', state(life)], { FORCE_COLOR: '1' }),
      runStatus(['--state-dir', state(life)], { NO_COLOR: '1' }),
    ]);

    const introducer = String.fromCharCode(27);
    expect([off, on, none].map(({ stdout }) => stdout.includes(introducer))).toEqual([false, true, false]);
  });

  test('without agent and journal ends with 69, and says what to do', async ({ life }) => {
    await mkdir(state(life), { recursive: true });

    const run = await runStatus(['--state-dir', state(life)]);

    expect(run).toMatchObject({ code: 69, stdout: '' });
    expect(run.stderr).toMatch(
      /the agent does not run, and there is no journal in .*\n.*--state-dir.* \[STATUS_NOTHING_KNOWN\]\n$/,
    );
  });

  test.for([
    { args: ['--assert', 'state=actve'], says: 'did you mean active' },
    { args: ['--assert', 'colour=red'], says: 'write state=active or condition=ok' },
    { args: ['--wait', 'activ'], says: 'did you mean active' },
    { args: ['--timeout', '10s'], says: 'without --wait' },
    { args: ['--wait', 'active', '--timeout', 'soon'], says: 'not a time' },
    { args: ['--conf', 'a', '--state-dir', 'b'], says: 'together' },
    { args: ['--jsn'], says: '--jsn' },
  ])('$args is a mistake of usage', async ({ args, says }) => {
    const { code, stdout, stderr } = await runStatus(args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(says);
  });

  test('with a file that is not there ends with 78', async ({ life }) => {
    const { code, stderr } = await runStatus(['--conf', join(life.folder, 'nothing.conf')]);

    expect(code).toBe(78);
    expect(stderr).toContain('does not exist');
  });

  test('explains itself', async () => {
    const { code, stdout } = await runStatus(['--help']);

    expect(code).toBe(0);
    expect(stdout).toMatch(/^usage: cartridge-agent status /);
  });
});

function state(life: Life): string {
  return join(life.folder, 'state');
}
