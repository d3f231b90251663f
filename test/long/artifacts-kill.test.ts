import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createGit } from '../../agent/artifacts/git/git.ts';
import { removeDebris } from '../../agent/artifacts/git/repository.ts';
import { readDrift, restoreDrift } from '../../agent/artifacts/local/drift.ts';
import { placeCommit } from '../../agent/artifacts/place/place.ts';
import { createLog } from '../../agent/log.ts';
import { filesIn, writeFiles } from '../support/artifacts.ts';
import {
  cloneOf,
  commit,
  createSite,
  fetch,
  gitIn,
  leftoversIn,
  look,
  type Place,
  type Site,
} from '../support/local-changes.ts';

const log = createLog({ level: 'silent', pretty: false, colour: false });
const large = 'theirs\n'.repeat(100_000);
/** By hand all of them; otherwise a part, so that everybody's tests stay quick. */
const isFull = process.env['KILL_MATRIX'] === 'full';
const livesAtOnce = 2;

/** What one look does, and how all is when it has come to its end, whatever came over the first. */
interface Case {
  readonly work: 'commit' | 'keep' | 'restore';
  readonly steps: number;
  prepare(site: Site): Promise<void>;
  /** What the agent does after a restart. */
  again(place: Place): Promise<unknown>;
  check(place: Place): Promise<void>;
}

const cases: readonly Case[] = [
  {
    work: 'commit',
    steps: 3,
    async prepare({ place, commitThere }) {
      await writeFiles(place.target, { 'index.html': 'draft', 'lib/a.txt': 'mine' });
      await commit(place);
      await writeFiles(place.target, { 'index.html': 'edited here', 'new.txt': 'new' });
      await commitThere({ 'lib/b.txt': 'theirs', 'large.txt': large, 'run.sh': null });
    },
    again: look,
    async check({ target, url }) {
      const files = { 'index.html': 'edited here', 'lib/a.txt': 'mine', 'lib/b.txt': 'theirs', 'new.txt': 'new' };
      expect(await filesIn(target)).toEqual({ ...files, 'large.txt': large });
      expect(await gitIn(target, 'status', '--porcelain')).toBe('');
      expect(await gitIn(url, 'rev-parse', 'main')).toBe(await gitIn(target, 'rev-parse', 'HEAD'));
      // Theirs, ours, ours: nothing was pushed twice.
      expect(await gitIn(url, 'log', '--format=%an', 'main')).toBe('Shop instance\nShop instance\nAnn\nAnn');
    },
  },
  {
    work: 'keep',
    steps: 2,
    async prepare({ place, commitThere }) {
      await writeFiles(place.target, { 'index.html': 'edited here', 'new.txt': 'written here' });
      await commitThere({ 'index.html': 'theirs', 'lib/b.txt': 'theirs', 'large.txt': large, 'run.sh': null });
    },
    again: async (place) =>
      await placeCommit(cloneOf(place), await fetch(cloneOf(place), place), { log, drift: 'keep' }),
    async check(place) {
      const files = { 'index.html': 'edited here', 'lib/a.txt': 'a', 'lib/b.txt': 'theirs', 'new.txt': 'written here' };
      expect(await filesIn(place.target)).toEqual({ ...files, 'large.txt': large });
      expect(await readDrift(cloneOf(place))).toEqual(['index.html']);
    },
  },
  {
    work: 'restore',
    steps: 2,
    async prepare({ place, commitThere }) {
      await commitThere({ 'large.txt': large });
      await look(place);
      await writeFiles(place.target, { 'index.html': 'edited here', 'large.txt': 'edited here too' });
      await rm(join(place.target, 'lib'), { recursive: true });
    },
    again: async (place) => await restoreDrift(cloneOf(place), await readDrift(cloneOf(place))),
    async check(place) {
      const files = { 'index.html': 'first', 'lib/a.txt': 'a', 'lib/b.txt': 'b', 'run.sh': '#!/bin/sh\n' };
      // A kill before its end is known leaves the rest to the next look.
      await restoreDrift(cloneOf(place), await readDrift(cloneOf(place)));
      expect(await filesIn(place.target)).toEqual({ ...files, 'large.txt': large });
      const refs = (
        await gitIn(place.target, 'for-each-ref', '--format=%(refname)', 'refs/cartridge-agent/replaced')
      ).split('\n');
      const saved = await Promise.all(refs.map(async (ref) => await gitIn(place.target, 'show', `${ref}:index.html`)));
      expect(saved).toContain('edited here');
    },
  },
];

test.for(cases)(
  'a kill over any step of $work loses nothing, and the next look goes on',
  { timeout: 900_000 },
  async (it) => {
    const folder = await mkdtemp(join(tmpdir(), 'kill-'));
    try {
      const original = join(folder, 'original');
      await mkdir(original);
      await it.prepare(await createSite(original));
      const points = await countPoints(it, await copyOf(original, join(folder, 'count')), folder);
      const rows = rowsOf(points, it.steps);
      const problems: string[] = [];
      const live = async () => {
        for (let row = rows.shift(); row !== undefined; row = rows.shift()) {
          const name = `${row.isDuring ? 'during' : 'before'} ${row.point} of ${points}`;
          const place = await copyOf(original, join(folder, name.replaceAll(' ', '-')));
          await liveThrough(it, place, row).catch((error: Error) => problems.push(`${name}: ${error.message}`));
        }
      };
      await Promise.all(Array.from({ length: livesAtOnce }, live));

      expect(problems).toEqual([]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

interface Row {
  readonly point: number;
  /** Shortly after git was started, not before. */
  readonly isDuring: boolean;
}

function rowsOf(points: number, steps: number): Row[] {
  const all = Array.from({ length: points }, (_, index) => index + 1);
  const rows = all.flatMap((point) => [false, true].map((isDuring) => ({ point, isDuring })));
  const every = Math.max(1, Math.floor(rows.length / steps));
  // An odd stride meets both kinds.
  return isFull ? rows : rows.filter((_, index) => index % (every | 1) === every >> 1);
}

async function liveThrough(it: Case, place: Place, { point, isDuring }: Row): Promise<void> {
  const order = isDuring ? [] : [['CARTRIDGE_AGENT_FAULT', `spawn:${point}:kill`]];
  const { signal } = await lookOnce(it, place, { order, during: isDuring ? point : 0 });
  expect(signal).toBe('SIGKILL');
  await createGit({ protocols: ['file'], environment: process.env }).endLeftovers(place.target);
  await removeDebris(place.target);

  await it.again(place);

  await it.check(place);
  expect(await leftoversIn(place.target)).toEqual([]);
}

async function countPoints(it: Case, place: Place, folder: string): Promise<number> {
  const file = join(folder, 'points');
  const { code } = await lookOnce(it, place, { order: [['CARTRIDGE_AGENT_FAULT', `count:${file}`]], during: 0 });
  expect(code).toBe(0);
  await it.check(place);
  return (await readFile(file, 'utf8')).split('\n').length - 1;
}

async function lookOnce(
  { work }: Case,
  { target, url }: Place,
  { order, during }: { order: string[][]; during: number },
) {
  const program = join(import.meta.dirname, '../support/look-process.ts');
  const child = spawn(process.execPath, [program, work, target, url, `${during}`], {
    env: { ...process.env, ...Object.fromEntries(order) },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return { code, signal };
}

async function copyOf(original: string, to: string): Promise<Place> {
  await cp(original, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  const place = { target: join(to, 'www'), url: join(to, 'shop.git') };
  await gitIn(place.target, 'config', 'remote.origin.url', place.url);
  return place;
}
