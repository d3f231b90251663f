import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
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

  test.for([
    { summary: 'is empty', make: (path: string) => mkdir(path), says: 'there is no journal in' },
    { summary: 'does not exist', make: async () => {}, says: 'state does not exist' },
    { summary: 'is a file', make: (path: string) => writeFile(path, ''), says: 'state is not a folder' },
    {
      summary: 'has no journal but a folder',
      make: async (path: string) => void (await mkdir(join(path, 'journal'), { recursive: true })),
      says: 'there is no journal in',
    },
  ])('with a state.dir that $summary ends with 69, and says what to do', async ({ make, says }, { life }) => {
    await make(state(life));

    const run = await runStatus(['--state-dir', state(life), '--json']);

    expect(run).toMatchObject({ code: 69, stdout: '' });
    expect(run.stderr).toMatch(/^cannot tell how the instance is: .*\n.*--state-dir.* \[STATUS_NOTHING_KNOWN\]\n$/);
    expect(run.stderr).toContain('no agent answers, and ');
    expect(run.stderr).toContain(says);
  });

  test.skipIf(process.getuid?.() !== 0)(
    'does not deny an agent that cannot write its state.dir, and so cannot be asked',
    async ({ life }) => {
      await life.platform({ members: [ownMember('Active')] });
      await writeFile(state(life), 'a file is no folder, for root either');
      const agent = await life.agent();
      await agent.entered('active', AbortSignal.timeout(20_000));
      const unwritable = join(life.folder, 'unwritable');
      await mkdir(unwritable, { mode: 0o555 });
      await chmod(life.folder, 0o755);
      const nobody = { uid: 65_534, gid: 65_534 };

      const [asked, readOnly] = await Promise.all([
        runStatus(['--state-dir', state(life)]),
        runStatus(['--state-dir', unwritable], {}, nobody),
      ]);

      for (const { code, stderr } of [asked, readOnly]) {
        expect(code).toBe(69);
        expect(stderr).toContain('no agent answers, and ');
        expect(stderr).toContain('may run, and cannot be asked: see its log, or `cartridge-agent events');
        expect(stderr).not.toContain('does not run');
      }
      expect(readOnly.stderr).toContain(`${unwritable} cannot be written`);
    },
  );

  test.skipIf(process.getuid?.() !== 0)(
    'tells another user to be the right one, and does not wait',
    async ({ life }) => {
      await life.agent();
      await expect.poll(() => existsSync(join(state(life), 'control.sock'))).toBe(true);
      await chmod(life.folder, 0o755);
      const nobody = 65_534;

      const [look, wait] = await Promise.all([
        runStatus(['--state-dir', state(life)], {}, { uid: nobody, gid: nobody }),
        runStatus(['--state-dir', state(life), '--wait', 'active'], {}, { uid: nobody, gid: nobody }),
      ]);

      for (const run of [look, wait]) {
        expect(run).toMatchObject({ code: 69, stdout: '' });
        expect(run.stderr).toMatch(/this user may not\nRun this as the user of the agent.* \[STATUS_FORBIDDEN\]\n$/);
      }
    },
  );

  test('of an agent that hangs asks its journal, and does not wait longer than it is told to', async ({ life }) => {
    const agent = await life.agent();
    await agent.entered('created', AbortSignal.timeout(20_000));
    process.kill(agent.pid, 'SIGSTOP');
    const startedMs = performance.now();

    const run = await runStatus(['--state-dir', state(life), '--wait', 'created', '--timeout', '500ms']);
    const tookMs = performance.now() - startedMs;
    process.kill(agent.pid, 'SIGCONT');

    expect(run).toMatchObject({
      code: 4,
      stderr: 'the instance has not become created: the agent does not say, by its journal it was created\n',
    });
    expect(run.stdout).toMatch(/^✕ .*created \/ lost .*\n {2}why {7}the agent does not answer/);
    expect(run.stdout).toContain('a person: look at the log of the agent, and restart it');
    expect(tookMs).toBeLessThan(4_500);
  });

  test('says, when the time is over, why nothing is known', async ({ life }) => {
    const run = await runStatus(['--state-dir', state(life), '--wait', 'active', '--timeout', '1ms']);

    expect(run).toMatchObject({ code: 4, stdout: '' });
    expect(run.stderr).toMatch(/nothing is known of it\n.*state does not exist\n.*\[STATUS_NOTHING_KNOWN\]\n$/);
  });

  test.for([
    { summary: 'of whom nobody reads it', to: '| true', code: 0, says: '' },
    { summary: 'on a full disk', to: '> /dev/full', code: 1, says: '[STATUS_OUTPUT]' },
  ])('$summary ends in order', async ({ to, code, says }, { life }) => {
    await life.agent();
    await expect.poll(() => existsSync(join(state(life), 'control.sock'))).toBe(true);
    const line = `"$0" agent/main.ts status --state-dir "$1" ${to}; exit \${PIPESTATUS[0]}`;

    const run = spawnSync('bash', ['-c', line, process.execPath, state(life)], { encoding: 'utf8' });

    expect(run.status).toBe(code);
    expect(run.stderr).toContain(says);
    expect(run.stderr).not.toMatch(/Unhandled|^ {4}at /m);
  });

  test.for([
    { args: ['--assert', 'state=actve'], says: 'did you mean active' },
    { args: ['--assert', 'colour=red'], says: 'write state=active or condition=ok' },
    { args: ['--wait', 'activ'], says: 'did you mean active' },
    { args: ['--timeout', '10s'], says: 'without --wait' },
    { args: ['--wait', 'active', '--timeout', 'soon'], says: 'not a time' },
    { args: ['--conf', 'a', '--state-dir', 'b'], says: 'together' },
    { args: ['--jsn'], says: '--jsn' },
    { args: ['--state-dir', ''], says: 'it is empty' },
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
