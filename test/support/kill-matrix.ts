import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Gate } from '../../state/lifecycle/context.ts';
import type { GitServer } from './git-server.ts';
import { hasMosquitto } from './mosquitto.ts';
import { type Attack, type Ended, liveOnce, type Traced } from './whole-life.ts';

/** One life of the matrix. */
export type Row = Attack & { readonly name: string };

/** What became of all rows; `problems`: one line each, with the name of its row. */
export type Result = {
  readonly lives: number;
  readonly deaths: number;
  readonly repeated: number;
  readonly problems: readonly string[];
};

const statusEvents = [
  'InstanceStartedEvent',
  'InstanceActivatedEvent',
  'InstanceMaintenanceModeEvent',
  'InstanceReadyToShutdownEvent',
];
/** How often each hook comes to its end in a life that nobody disturbs, by what it was told of. */
const rounds: readonly (readonly [hook: string, about: readonly string[]])[] = [
  ['volumeMount', ['']],
  ['instanceStarting', ['']],
  ['startServers', ['']],
  ['startServers/20', ['']],
  ['artifactUpdating', ['', 'first']],
  ['artifactUpdated', ['first', 'second']],
  ['instanceActivating', ['']],
  ['drain', ['']],
  ['clean', ['']],
];
const livesAtOnce = 3;

/** A point a life passes; `decides`: it is the write of a line that decides a status event. */
export type Point = { readonly name: string; readonly decides: boolean };

/** The points a whole life passes, in order. */
export async function pointsOfLife(git: GitServer): Promise<{ points: readonly Point[]; problems: readonly string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'points-'));
  try {
    const file = join(folder, 'points');
    const ended = await liveOnce({ git, broker: 'embedded' }, { faults: [`count:${file}`] });
    const names = (await readFile(file, 'utf8')).split('\n').slice(0, -1);
    // Each write is a line: a life that nobody disturbs is too short for a compaction.
    const lines = ended.decides.values();
    const points = names.map((name) => ({ name, decides: name === 'journal.write' && lines.next().value === true }));
    return { points, problems: problemsOf(ended) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Lives all rows, some at a time, over either broker in turn. */
export async function liveAll(
  git: GitServer,
  rows: readonly Row[],
  check: (ended: Ended) => string[] = problemsOf,
): Promise<Result> {
  const result = { lives: 0, deaths: 0, repeated: 0, problems: [] as string[] };
  const todo = [...rows.entries()];
  const live = async () => {
    for (let next = todo.shift(); next !== undefined; next = todo.shift()) {
      const [index, { name, ...attack }] = next;
      const broker = hasMosquitto && index % 2 === 1 ? 'mosquitto' : 'embedded';
      const problems = await liveOnce({ git, broker }, attack).then(
        (ended) => {
          result.deaths += ended.deaths.length;
          result.repeated += repeatedHooks(ended).length;
          return check(ended);
        },
        (error: Error) => [error.message],
      );
      result.lives += 1;
      result.problems.push(...problems.map((problem) => `${name} (${broker}): ${problem}`));
    }
  };
  await Promise.all(Array.from({ length: livesAtOnce }, live));
  return result;
}

/** What is wrong with a life whose journal could always be written: nothing may be lost, and little done twice. */
export function problemsOf(ended: Ended): string[] {
  return [...problemsAtTheEnd(ended), ...problemsOfEvents(ended), ...problemsOfHooks(ended)];
}

/** What is wrong with a life whose agent was killed while its disk was full: what was lost must have been announced. */
export function problemsWithFullDisk(ended: Ended): string[] {
  const failed = ended.lines[0]?.find(({ event }) => event === 'journal.failed');
  const ranks = ended.heard.map(({ event }) => statusEvents.indexOf(event));
  const problems = problemsAtTheEnd(ended);
  if (failed?.['code'] !== 'JOURNAL_NOT_WRITTEN')
    problems.push('the log does not say that the journal cannot be written');
  if (ranks.some((rank, index) => rank < (ranks[index - 1] ?? 0))) problems.push(`out of order: ${said(ended)}`);
  if (new Set(ranks).size !== statusEvents.length) problems.push(`lost: ${said(ended)}`);
  for (const [hook, abouts] of rounds)
    for (const about of abouts)
      if (!ended.trace.some((it) => isEnd(it, hook, about))) problems.push(`${hook} ${about} did not come to its end`);
  return problems;
}

function problemsAtTheEnd({ exitCode, platformShows, refused, served, leftovers }: Ended): string[] {
  const problems: string[] = [];
  if (exitCode !== 0) problems.push(`exit code ${exitCode}`);
  if (platformShows !== 'ReadyToShutDown') problems.push(`the platform shows ${platformShows}`);
  if (refused > 0) problems.push(`the platform refused ${refused} events`);
  if (served !== 'second') problems.push(`serves ${served}`);
  if (leftovers.length > 0) problems.push(`left behind: ${leftovers.join(', ')}`);
  return problems;
}

/** Each event once, in order; a redelivery follows its first delivery at once, with the same payload, once per death. */
function problemsOfEvents(ended: Ended): string[] {
  const { heard, deaths } = ended;
  const fresh = heard.filter(
    ({ event, text }, index) => heard[index - 1]?.event !== event || heard[index - 1]?.text !== text,
  );
  const problems: string[] = [];
  if (fresh.map(({ event }) => event).join() !== statusEvents.join())
    problems.push(`not in order, each once: ${said(ended)}`);
  if (heard.length > statusEvents.length + deaths.length) problems.push(`too often: ${said(ended)}`);
  return problems;
}

function problemsOfHooks(ended: Ended): string[] {
  const { trace, deaths } = ended;
  const problems = rounds.flatMap(([hook, abouts]) => abouts.flatMap((about) => problemsOfHook(ended, hook, about)));
  // Who is asked to leave before it was told again need not be.
  const isTold = trace.some((it) => isEnd(it, 'instanceActivated', ''));
  const isLeaving = deaths.some(({ facts }) => facts.leaving);
  problems.push(
    ...problemsOfHook(ended, 'instanceActivated', '').filter((text) => isTold || !isLeaving || !/not come/.test(text)),
  );
  const known = new Set(rounds.flatMap(([hook, abouts]) => abouts.map((about) => `${hook} ${about}`)));
  const strange = trace.filter(({ hook, about }) => hook !== 'instanceActivated' && !known.has(`${hook} ${about}`));
  return [...problems, ...strange.map(({ what, hook, about }) => `nobody expects ${what} ${hook} ${about}`)];
}

/**
 * Comes to its end, and never again once that is on the disk; a run that a kill came over is begun again, counted, and
 * never meets itself. A journal that shows no open attempt of a gate that was begun has its end.
 */
function problemsOfHook({ trace, deaths }: Ended, hook: string, about: string): string[] {
  const problems: string[] = [];
  const mine = trace.map((it, at) => ({ ...it, at })).filter((it) => it.hook === hook && it.about === about);
  const begins = mine.filter(({ what }) => what === 'begin');
  const ends = mine.filter(({ what }) => what === 'end');
  const say = (text: string) => problems.push(`${hook} ${about} ${text}`);
  if (ends.length === 0) say('did not come to its end');
  for (const [index, { facts, traced }] of deaths.entries()) {
    const open = facts.attempts[gateOf(hook)];
    const hasEnded = open === undefined || facts.passedHooks.some((name) => isNameOf(name, hook));
    const hasBegun = begins.some(({ at }) => at < traced);
    const again = begins.find(({ at }) => at >= traced);
    if (!hasBegun || again === undefined) continue;
    if (hasEnded) say('ran again after its end');
    // An attempt that was killed before its script began is in the facts of the next death, and counts there.
    else if (again.at < (deaths[index + 1]?.traced ?? trace.length) && again.attempt !== open + 1)
      say(`ran again as attempt ${again.attempt}, not ${open + 1}`);
  }
  for (const [index, { at, attempt }] of ends.entries()) {
    const after = begins.filter((begin) => begin.at < at).at(-1);
    if (after?.attempt !== attempt) say(`attempt ${attempt} came to its end while attempt ${after?.attempt} ran`);
    if (ends.slice(0, index).some((end) => end.attempt === attempt)) say(`attempt ${attempt} ended twice`);
  }
  return problems;
}

/** `startServers startServers/20-warm` is that of `startServers/20`, and so on: see the hooks of a whole life. */
function isNameOf(passed: string, hook: string): boolean {
  return passed === (hook === 'startServers' ? 'startServers startServers/10-serve' : `startServers ${hook}-warm`);
}

/** Hooks that came to their end more than once, because the first end was not yet on the disk when the kill came. */
function repeatedHooks({ trace }: Ended): string[] {
  const ends = trace.filter(({ what }) => what === 'end').map(({ hook, about }) => `${hook} ${about}`);
  return ends.filter((end, index) => ends.indexOf(end) !== index);
}

function gateOf(hook: string): Gate {
  return (hook.split('/')[0] ?? hook) as Gate;
}

function isEnd({ what, hook, about }: Traced, ofHook: string, ofContent: string): boolean {
  return what === 'end' && hook === ofHook && about === ofContent;
}

function said({ heard }: Ended): string {
  return heard.map(({ event }) => event).join(' ');
}
