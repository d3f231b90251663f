import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { commits, liveStory, releases, type Story } from '../support/artifact-life.ts';
import { type GitServer, startGitServer } from '../support/git-server.ts';

/** One life: where its agent is killed. */
type Row = { readonly story: Story; readonly name: string; readonly fault: string };

const isFull = process.env['KILL_MATRIX'] === 'full';
/** Every day and in CI, where it hurts most; `npm run kill-matrix` kills at each point that is passed. */
const everyDay: readonly Row[] = [
  { story: releases, name: 'second release in place', fault: 'releases.switched:2:kill' },
  { story: releases, name: 'old release half removed', fault: 'releases.removing:1:kill' },
  { story: commits, name: 'before the 45th git', fault: 'spawn:45:kill' },
  { story: commits, name: 'before the 70th git', fault: 'spawn:70:kill' },
];
const livesAtOnce = 4;
let git: GitServer;

beforeAll(async () => {
  git = await startGitServer();
  return () => git[Symbol.asyncDispose]();
});

test('an agent that is killed at any step of releases and of commits goes on as if nothing had been', {
  timeout: 2_400_000,
}, async () => {
  const rows = isFull ? [...(await rowsOf(releases, 'releases')), ...(await rowsOf(commits, 'commits'))] : everyDay;
  const since = performance.now();

  const { deaths, problems } = await liveAll(rows);

  const seconds = Math.round((performance.now() - since) / 1_000);
  process.stdout.write(`artifacts: ${rows.length} lives, ${deaths} deaths, ${seconds} s\n`);
  expect(problems).toEqual([]);
  // The order of what happens at the same time differs a little from life to life, and with it the last number.
  expect(deaths).toBeGreaterThan(0.9 * rows.length);
});

async function liveAll(rows: readonly Row[]) {
  const todo = [...rows];
  const result = { deaths: 0, problems: [] as string[] };
  const live = async () => {
    for (let row = todo.shift(); row !== undefined; row = todo.shift()) {
      const { story, name, fault } = row;
      const failed = (error: Error) => ({ deaths: 0, problems: [error.message] });
      const ended = await liveStory(git, story, fault).catch(failed);
      result.deaths += ended.deaths;
      result.problems.push(...ended.problems.map((problem) => `kill at ${fault}, ${name}: ${problem}`));
    }
  };
  await Promise.all(Array.from({ length: livesAtOnce }, live));
  return result;
}

/** Of a life that nobody disturbs, each point it passes. */
async function rowsOf(story: Story, what: string): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'points-'));
  try {
    const file = join(folder, 'points');
    expect(await liveStory(git, story, `count:${file}`)).toEqual({ deaths: 0, problems: [] });
    const names = (await readFile(file, 'utf8')).split('\n').slice(0, -1);
    return names.map((name, index) => ({ story, name: `${name} of ${what}`, fault: `all:${index + 1}:kill` }));
  } finally {
    await rm(folder, { recursive: true });
  }
}
