import { beforeAll, describe, expect, test } from 'vitest';
import { type GitServer, startGitServer } from '../support/git-server.ts';
import {
  liveAll,
  type Point,
  pointsOfLife,
  problemsWithFullDisk,
  type Result,
  type Row,
} from '../support/kill-matrix.ts';
import type { Seen } from '../support/whole-life.ts';

/** `npm run kill-matrix` runs all of it; every day and in CI this part is enough to notice that something is wrong. */
const isFull = process.env['KILL_MATRIX'] === 'full';
const everyNth = isFull ? 1 : 16;
const limitMs = 600_000;
/** Every hook of the life, at the moment it has begun. */
const hooks = [
  ...['volumeMount', 'instanceStarting', 'startServers', 'startServers/20', 'artifactUpdating', 'artifactUpdated'],
  ...['instanceActivating', 'drain', 'clean'],
];

let git: GitServer;
let points: readonly Point[];

beforeAll(async () => {
  git = await startGitServer();
  const life = await pointsOfLife(git);
  points = life.points;
  expect(life.problems).toEqual([]);
  expect(points.filter(({ decides }) => decides)).toHaveLength(4);
  return () => git[Symbol.asyncDispose]();
}, 60_000);

describe('an agent that is killed', () => {
  test('at any write, rename, spawn or publish goes on as if nothing had been', { timeout: limitMs }, async () => {
    const all = points.map(({ name, decides }, index) => ({
      ...row(`kill at ${index + 1}, ${name}`, `all:${index + 1}:kill`),
      decides,
    }));
    const rows = all.filter(({ decides }, index) => decides || index % everyNth === 0);

    const result = await report('kill matrix', rows);

    expect(result.problems).toEqual([]);
    // The order of what happens at the same time differs a little from life to life, and with it the last number.
    expect(result.deaths).toBeGreaterThan(0.9 * rows.length);
  });

  test('with a half written line cuts it off', { timeout: limitMs }, async () => {
    const rows = spread(writes().map((nth) => row(`torn write ${nth}`, `journal.write:${nth}:torn`)));

    const result = await report('torn writes', rows);

    expect(result.problems).toEqual([]);
    expect(result.deaths).toBeGreaterThan(0.9 * rows.length);
  });

  test('while it recovers from a kill recovers from that, too', { timeout: limitMs }, async () => {
    const torn = writes().flatMap((nth) =>
      ['journal.write', 'journal.rename', 'journal.written'].map((point) =>
        row(`torn write ${nth}, then kill at the first ${point}`, `journal.write:${nth}:torn`, `${point}:1:kill`),
      ),
    );
    const killed = points.map(({ name }, index) =>
      row(
        `kill at ${index + 1}, ${name}, then at ${1 + (index % 5)}`,
        `all:${index + 1}:kill`,
        `all:${1 + (index % 5)}:kill`,
      ),
    );
    const rows = spread([...torn, ...killed].filter((_, index) => index % 7 === 0));

    const result = await report('killed twice', rows);

    expect(result.problems).toEqual([]);
    // A life that was killed near its end has no such point left; of a few lives, that may be most.
    expect(result.deaths).toBeGreaterThan((isFull ? 1.6 : 1) * rows.length);
  });

  test('in the middle of any hook begins that hook again', { timeout: limitMs }, async () => {
    const chosen = hooks.filter((_, index) => isFull || index % 3 === 1);
    const rows = chosen.map((hook) => ({ name: `kill in ${hook}`, slowHook: hook, killWhen: hasBegun(hook) }));

    const result = await report('killed in hooks', rows);

    expect(result.problems).toEqual([]);
    expect(result.deaths).toBe(rows.length);
  });
});

describe('an agent whose disk is full', () => {
  test('from any write on goes on, says so, and comes to its end even if it is killed', {
    timeout: limitMs,
  }, async () => {
    // Lives differ a little in how often they write: of the last ones some would never come to a full disk.
    const rows = spread(
      writes()
        .slice(0, -4)
        .map((nth) => ({
          ...row(`full from write ${nth} on`, `journal.write:${nth}:enospc`),
          killWhen: atNextMilestone(),
          mayLose: true,
        })),
    );

    const result = await report('full disk', rows, problemsWithFullDisk);

    expect(result.problems).toEqual([]);
    // After the last lines there is nothing left to wait for.
    expect(result.deaths).toBeGreaterThan(0.7 * rows.length);
  });
});

function row(name: string, ...faults: string[]): Row {
  return { name, faults };
}

/** The numbers of all journal writes of a life. */
function writes(): number[] {
  return points.filter(({ name }) => name === 'journal.write').map((_, index) => index + 1);
}

function spread(rows: readonly Row[]): readonly Row[] {
  return rows.filter((_, index) => index % everyNth === 0);
}

function hasBegun(name: string): (seen: Seen) => boolean {
  return ({ trace }) => trace.some(({ what, hook }) => what === 'begin' && hook === name);
}

/** The journal has failed, and since then a hook has come to its end or the platform has heard something. */
function atNextMilestone(): (seen: Seen) => boolean {
  let sizeAtFailure: number | null = null;
  return ({ trace, said, lines }) => {
    const size = trace.length + said.length;
    if (sizeAtFailure === null && lines.some(({ event }) => event === 'journal.failed')) sizeAtFailure = size;
    return sizeAtFailure !== null && size > sizeAtFailure + 1;
  };
}

async function report(what: string, rows: readonly Row[], check?: Parameters<typeof liveAll>[2]): Promise<Result> {
  const since = performance.now();
  const result = await liveAll(git, rows, check);
  const { lives, deaths, repeated } = result;
  const seconds = Math.round((performance.now() - since) / 1_000);
  const repeats = `${repeated} hooks repeated whose end was not on the disk yet`;
  process.stdout.write(
    `${what}: ${points.length} points, ${lives} lives, ${deaths} deaths, ${repeats}, ${seconds} s\n`,
  );
  return result;
}
