import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { askAgent } from '../../agent/asks.ts';
import { StateDirTakenError } from '../../agent/lock.ts';
import { lockTest as test } from '../support/lock.ts';

describe('a state.dir', () => {
  test('is for one agent: the second is told who has it', async ({ lock }) => {
    await lock.claim('php-1');

    const refused = await lock.claim('php-2').catch((thrown) => thrown);

    expect(refused).toBeInstanceOf(StateDirTakenError);
    expect(refused.message).toBe(
      `cannot use ${lock.stateDir}, the agent of member php-1 runs there, pid ${process.pid}`,
    );
    expect(refused).toMatchObject({ code: 'STATE_DIR_TAKEN', facts: { memberId: 'php-1', pid: process.pid } });
  });

  test('is free, and clean, when the agent has ended', async ({ lock }) => {
    const claim = await lock.claim();
    await claim.release();

    expect(readdirSync(lock.stateDir)).toEqual([]);
    expect((await lock.claim()).server?.listening).toBe(true);
  });

  test('is free when the agent was killed, and nothing of that one stays', async ({ lock }) => {
    const first = await lock.contender();
    expect(await first.tell(`claim ${lock.stateDir}`)).toBe('won');
    await first.kill();
    expect(existsSync(join(lock.stateDir, 'control.sock'))).toBe(true);

    const claim = await lock.claim();

    expect(claim.server).not.toBe(null);
    expect(readdirSync(join(lock.stateDir, 'control'))).toHaveLength(1);
    await claim.release();
    expect(readdirSync(lock.stateDir)).toEqual([]);
  });

  test('is taken by an agent that is stopped, and told so after a short time', async ({ lock }) => {
    const first = await lock.contender();
    await first.tell(`claim ${lock.stateDir}`);
    first.process.kill('SIGSTOP');
    const since = performance.now();

    const refused = await lock.claim().catch((thrown) => thrown);

    expect(refused).toBeInstanceOf(StateDirTakenError);
    expect(refused.message).toContain(`does not answer runs there, pid ${first.process.pid}`);
    expect(performance.now() - since).toBeLessThan(5_000);
  });

  test('is taken by an agent that takes no more connections', async ({ lock }) => {
    const first = await lock.contender();
    await first.tell(`claim ${lock.stateDir}`);
    first.process.kill('SIGSTOP');
    const path = join(lock.stateDir, 'control.sock');
    const idle = Array.from({ length: 600 }, () => connect(path).on('error', () => {}));

    try {
      await expect(lock.claim()).rejects.toThrow(StateDirTakenError);
    } finally {
      for (const socket of idle) socket.destroy();
    }
  });

  test('excludes agents in other network namespaces, and their pids mean nothing', async ({ lock, skip }) => {
    const wrapper = ['unshare', '--net', '--pid', '--fork', '--kill-child'];
    if (!works([...wrapper, 'true'])) skip('no namespaces here');
    const inside = await lock.contender(wrapper);
    expect(await inside.tell(`claim ${lock.stateDir}`)).toBe('won');

    await expect(lock.claim()).rejects.toThrow(/^cannot use .* runs there, pid \d$/);
    await inside.kill();

    expect((await lock.claim()).server).not.toBe(null);
  });

  test('may have a path longer than that of a socket', async ({ lock }) => {
    const long = join(lock.stateDir, 'x'.repeat(120), 'y'.repeat(120));
    await lock.claim('php-1', long);

    await expect(lock.claim('php-2', long)).rejects.toThrow('member php-1');
    const answer = await askAgent(join(long, 'control.sock'), { ask: 'who' }, { timeoutMs: 2_000 });
    expect(answer).toEqual({ memberId: 'php-1', runId: 'run-1', pid: process.pid });
  });

  test('is for its own user alone', async ({ lock }) => {
    await lock.claim();

    expect(statSync(lock.stateDir).mode & 0o777).toBe(0o700);
    expect(lstatSync(join(lock.stateDir, 'control.sock')).isSocket()).toBe(true);
    expect(statSync(join(lock.stateDir, 'control.sock')).mode & 0o777).toBe(0o600);
  });

  test('with rubbish where the lock is has no owner', async ({ lock }) => {
    mkdirSync(join(lock.stateDir, 'control', 'folder'), { recursive: true });
    writeFileSync(join(lock.stateDir, 'control', '1234-file.sock'), 'rubbish');
    writeFileSync(join(lock.stateDir, 'control.sock'), 'rubbish');

    expect((await lock.claim()).server).not.toBe(null);
  });

  test('that cannot be written does without', async ({ lock, skip }) => {
    mkdirSync(lock.stateDir);
    if (!works(['mount', '-t', 'tmpfs', '-o', 'ro', 'tmpfs', lock.stateDir])) skip('no mounts here');

    const claim = await lock.claim().finally(() => execFileSync('umount', [lock.stateDir]));

    expect(claim.server).toBe(null);
    await claim.release();
  });
});

describe('of many agents at once', () => {
  test('one wins, each time, over the dead owner before it', { timeout: 120_000 }, async ({ lock }) => {
    const contenders = await Promise.all(Array.from({ length: 8 }, () => lock.contender()));

    for (let round = 0; round < 25; round += 1) {
      const answers = await Promise.all(contenders.map((it) => it.tell(`claim ${lock.stateDir}`)));

      const winner = answers.indexOf('won');
      expect(
        answers.filter((answer) => answer === 'won'),
        `round ${round}`,
      ).toHaveLength(1);
      const told = `the agent of member member-of-`;
      expect(answers.filter((answer) => answer.startsWith('lost ') && answer.includes(told))).toHaveLength(7);
      expect(readdirSync(lock.stateDir).sort()).toEqual(['control', 'control.sock']);
      await contenders[winner]?.kill();
      contenders[winner] = await lock.contender();
    }
  });

  test('one wins, each time, within one process', async ({ lock }) => {
    for (let round = 0; round < 60; round += 1) {
      const claims = await Promise.allSettled(Array.from({ length: 8 }, (_, index) => lock.claim(`php-${index}`)));

      const won = claims.filter((claim) => claim.status === 'fulfilled');
      expect(won, `round ${round}`).toHaveLength(1);
      expect(won[0]?.value.server?.listening).toBe(true);
      await won[0]?.value.release();
      expect(readdirSync(lock.stateDir)).toEqual([]);
    }
  });

  test('never two hold it, while they come and go', { timeout: 60_000 }, async ({ lock }) => {
    const contenders = await Promise.all(Array.from({ length: 4 }, () => lock.contender()));
    const path = join(lock.stateDir, 'control.sock');
    let holders = 0;
    let wins = 0;

    await Promise.all(
      contenders.map(async (it) => {
        for (let turn = 0; turn < 40; turn += 1) {
          if ((await it.tell(`claim ${lock.stateDir}`)) !== 'won') continue;
          holders += 1;
          wins += 1;
          const { pid } = it.process;
          expect(await askAgent(path, { ask: 'who' }, { timeoutMs: 2_000 })).toMatchObject({ pid });
          expect(holders).toBe(1);
          holders -= 1;
          await it.tell('release');
        }
      }),
    );

    expect(wins).toBeGreaterThan(10);
    expect(readdirSync(lock.stateDir)).toEqual([]);
  });
});

function works([command = '', ...args]: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
