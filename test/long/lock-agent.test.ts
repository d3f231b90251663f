import { execFile } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ownMember } from '../../agent/demo/story.ts';
import { expect } from '../support/current-test.ts';
import { type Life, lifeTest as test } from '../support/life.ts';

const program = new URL('../../agent/main.ts', import.meta.url).pathname;
const soon = () => AbortSignal.timeout(20_000);
/** The agent looks after its lock every 5 s. */
const lookMs = 10_000;

test.concurrent('an agent whose state.dir was removed has it again: it can be asked, and a second one is refused', async ({
  life,
}) => {
  await life.platform({ members: [ownMember('Active')] });
  const agent = await life.agent();
  await agent.entered('active', soon());

  rmSync(join(life.folder, 'state'), { recursive: true });

  await expect.poll(() => existsSync(join(life.folder, 'state', 'control.sock')), { timeout: lookMs }).toBe(true);
  expect(await command(life, 'status')).toMatchObject({ code: 0, stdout: expect.stringContaining('active / ok') });
  const second = await command(life, 'run');
  expect(second.code).toBe(75);
  expect(second.stdout).toContain(`runs there, pid ${agent.pid}`);
});

test.concurrent('an agent whose removed state.dir another one got first gives way to that', async ({ life }) => {
  const platform = await life.platform({ members: [ownMember('Active')] });
  const first = await life.agent();
  await first.entered('active', soon());

  rmSync(join(life.folder, 'state'), { recursive: true });
  const second = await life.agent();

  expect(await first.exited).toBe(75);
  await second.entered('active', soon());
  await platform.cleanupMember();
  expect(await second.exited).toBe(0);
});

async function command(life: Life, name: string): Promise<{ code: number; stdout: string }> {
  const args = [program, name, '--conf', join(life.folder, 'agent.conf')];
  const running = promisify(execFile)(process.execPath, args, { timeout: 20_000 });
  return running.then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
  );
}
