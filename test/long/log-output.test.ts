import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, onTestFinished, test } from 'vitest';
import { ownMember } from '../../agent/demo/story.ts';
import { createLog } from '../../agent/log.ts';
import { expect } from '../support/current-test.ts';
import { anyBroker, lifeTest, writeInstance } from '../support/life.ts';

const logModule = new URL('../../agent/log.ts', import.meta.url).href;
const program = new URL('../../agent/main.ts', import.meta.url).pathname;

test('a pipe that nobody reads is not waited for: what is lost is counted, and said where it is missing', async () => {
  const pipe = makePipe();
  const log = createLog({
    level: 'info',
    pretty: false,
    colour: false,
    output: pipe.descriptor,
    base: { member: 'm' },
  });
  const startedAt = performance.now();

  for (let nth = 0; nth < 30_000; nth += 1) log.info({ event: 'test', nth }, 'x'.repeat(60));
  const tookMs = performance.now() - startedAt;
  let read = '';
  await expect.poll(() => (read += pipe.read()), { timeout: 10_000 }).toContain('log.lost');
  log.info({ event: 'test', nth: 30_000 }, 'after');
  read += pipe.read();

  expect(tookMs).toBeLessThan(5_000);
  const lines = linesIn(read);
  const [note] = lines.splice(-2, 1);
  const kept = lines.length - 1;
  expect(note).toMatchObject({ event: 'log.lost', level: 'warn', member: 'm', lines: 30_000 - kept });
  expect(kept).toBeGreaterThan(5_000);
  expect(lines.map(({ nth }) => nth)).toEqual([...Array.from({ length: kept }, (_, nth) => nth), 30_000]);
});

describe('the last words', () => {
  const endings = [
    { summary: 'of a defect', by: `throw new Error('defect')` },
    { summary: 'of an exit', by: 'process.exit(3)' },
    { summary: 'of an end', by: 'process.exitCode = 3' },
  ];
  const readers = [
    { into: 'a pipe whose reader is slow', rest: '| (sleep 0.3; cat > out)' },
    { into: 'a file', rest: '> out' },
  ];
  const cases = endings.flatMap((ending) => readers.map((reader) => ({ ...ending, ...reader })));

  test.for(cases)('$summary reach $into', async ({ by, rest }) => {
    const folder = temporaryFolder();
    const script = `import { createLog } from '${logModule}';
      const log = createLog({ level: 'info', pretty: false, colour: false });
      for (let nth = 0; nth < 5000; nth += 1) log.info({ nth }, 'x'.repeat(60));
      ${by};`;

    const command = `"$0" --input-type=module -e "$1" 2>/dev/null ${rest}; true`;
    execFileSync('sh', ['-c', command, process.execPath, script], { cwd: folder });

    expect(linesIn(readFileSync(join(folder, 'out'), 'utf8'))).toHaveLength(5_000);
  });
});

const alive = lifeTest.extend('broker', anyBroker);

alive.for(['pipe', 'socket'] as const)(
  'an agent whose log goes into a %s that nobody reads lives on, and leaves when it is told to',
  async (kind, { life }) => {
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    const flood = `yes ${'x'.repeat(4_000)} | head -n 500`;
    const hooks = Object.fromEntries(Array.from({ length: 12 }, (_, nth) => [`startServers/${10 + nth}-flood`, flood]));
    const confFile = await writeInstance(life.folder, { ...life, hooks });
    const stdout = kind === 'pipe' ? makePipe().descriptor : 'pipe';

    const agent = spawn(process.execPath, [program, 'run', '--conf', confFile], {
      stdio: ['ignore', stdout, 'ignore'],
    });
    onTestFinished(() => void agent.kill('SIGKILL'));
    const exited = once(agent, 'exit');
    await platform.waitFor('HealthStatisticsEvent');
    await platform.cleanupMember();

    expect(await exited).toEqual([0, null]);
    expect(platform.memberStatus()).toBe('ReadyToShutDown');
  },
);

/** A pipe with a name, which is never read but by `read`. */
function makePipe() {
  const path = join(temporaryFolder(), 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const descriptor = openSync(path, constants.O_WRONLY);
  onTestFinished(() => [reader, descriptor].forEach((it) => void closeSync(it)));
  const chunk = Buffer.alloc(65_536);
  return {
    descriptor,
    read() {
      const chunks: Buffer[] = [];
      untilEmpty(() => chunks.push(Buffer.from(chunk.subarray(0, readSync(reader, chunk)))));
      return Buffer.concat(chunks).toString();
    },
  };
}

function untilEmpty(act: () => unknown): void {
  try {
    for (;;) act();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EAGAIN') throw thrown;
  }
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'log-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function linesIn(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}
