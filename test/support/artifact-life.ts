import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { startAgentProcess } from '../../agent/demo/agent-process.ts';
import { startEmbeddedBroker } from '../../agent/demo/broker.ts';
import { type Platform, startPlatform } from '../../agent/demo/platform.ts';
import { ownMember, shop } from '../../agent/demo/story.ts';
import { createLog } from '../../agent/log.ts';
import { filesIn } from './artifacts.ts';
import type { GitServer, TestRepository } from './git-server.ts';
import { writeInstance } from './life.ts';
import { environmentOf, processesLeft, until } from './whole-life.ts';

/** What happens to the artifact of an instance, from its first commit to its last. */
export interface Story {
  readonly conf: Readonly<Record<string, string>>;
  readonly params?: Readonly<Record<string, string>>;
  /** For a script: prints the commit that is in place at WWW. */
  readonly placed: string;
  /** What others do once the instance is active, each thing once. */
  lead(stage: Stage): Promise<void>;
  /** What is wrong at the end. */
  problems(stage: Stage): Promise<string[]>;
}

interface Stage {
  readonly folder: string;
  /** APPLICATION_PATH. */
  readonly www: string;
  readonly repository: TestRepository;
  readonly platform: Platform;
  /** What artifactUpdated was told, and came to its end with. */
  told(): readonly string[];
}

/** A life that has come to its end. */
export type EndedStory = { readonly deaths: number; readonly problems: readonly string[] };

const program = new URL('../../agent/main.ts', import.meta.url).pathname;
const silent = createLog({ level: 'silent', pretty: false, colour: false });
const soonMs = 40_000;

/** Each commit in a folder of its own: one that is good, one that is vetoed and taken back, and only one is kept. */
export const releases: Story = {
  conf: { 'artifact.layout': 'releases', 'artifact.releases.keep': '1', 'artifact.verify.timeout': '5' },
  placed: 'basename $(readlink WWW)',

  async lead({ repository, platform, told }) {
    for (const [content, served] of [
      ['second', 'second'],
      ['bad', 'second'],
    ] as const) {
      const before = told().length;
      await repository.commit({ 'index.html': content });
      await platform.artifactUpdated();
      await until(() => told().slice(before).includes(content) && told().at(-1) === served);
    }
  },

  async problems({ folder, www, repository }) {
    const [bad = '', second = ''] = (await repository.git('rev-list', 'HEAD')).split('\n');
    const names = readdirSync(`${www}.releases`).sort();
    const record = JSON.parse(readFileSync(`${www}.releases/releases.json`, 'utf8'));
    const kept = names.filter((name) => /^[0-9a-f]{40}$/.test(name));
    const strange = names.filter((name) => !['releases.json', 'repository', ...kept].includes(name));
    const last = recordsOf(folder).at(-1);
    return [
      ...unless(basename(readlinkSync(www)) === second, `the link leads to ${readlinkSync(www)}`),
      ...unless(kept.includes(second) && kept.length <= 2, `kept ${kept}`),
      ...unless(record.good.at(-1) === second, `good are ${record.good}`),
      ...unless(
        String(record.rejected.map((one: { commit: string }) => one.commit)) === bad,
        'the bad one is not rejected',
      ),
      ...strange.map((name) => `left behind: ${name}`),
      ...unless(last?.what === 'rolledBack' && last.commit === second, `the last record is ${JSON.stringify(last)}`),
      ...gitDebrisIn(join(`${www}.releases`, 'repository')),
    ];
  },
};

/** Commits on: files written here are brought to the remote, upon what others have pushed there. */
export const commits: Story = {
  conf: {},
  params: { COMMIT_ENABLED: 'true' },
  placed: 'git -C WWW rev-parse refs/cartridge-agent/placed',

  async lead({ www, repository, platform, told }) {
    await writeFile(join(www, 'upload-1'), 'one');
    await repository.commit({ 'index.html': 'second', theirs: 'theirs' });
    await platform.artifactUpdated();
    await until(() => told().at(-1) === 'second');
    await writeFile(join(www, 'upload-2'), 'two');
    await platform.artifactUpdated();
    await until(async () => (await namesOf(repository)).includes('upload-2'));
  },

  async problems({ www, repository }) {
    const files = { 'index.html': 'second', theirs: 'theirs', 'upload-1': 'one', 'upload-2': 'two' };
    const subjects = (await repository.git('log', '--format=%s', 'main')).split('\n');
    const ours = subjects.filter((subject) => subject.startsWith('Local changes'));
    const there = JSON.stringify(await filesIn(www));
    return [
      ...unless(there === JSON.stringify(files), `serves ${there}`),
      ...unless(String(await namesOf(repository)) === String(Object.keys(files)), 'the remote has other files'),
      ...unless(ours.length === 2 && subjects.length === 4, `pushed ${subjects.join('; ')}`),
      ...gitDebrisIn(www),
    ];
  },
};

/**
 * Lives a story, its agent attacked in the first run, and started again whenever that has killed it.
 *
 * @param fault - CARTRIDGE_AGENT_FAULT of the first run
 */
export async function liveStory(git: GitServer, story: Story, fault: string): Promise<EndedStory> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'artifact-life-'));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  await mkdir(join(folder, 'tmp'));
  const www = join(folder, 'www');
  const { port } = stack.adopt(await startEmbeddedBroker(), (it) => it.close());
  const repository = await git.createRepository(`${basename(folder)}.git`);
  await repository.commit({ 'index.html': 'first' });
  const repositories = [{ clusterId: shop.clusterId, tenantId: shop.tenantId, url: repository.url }];
  const platform = stack.adopt(
    await startPlatform({
      broker: { server: { host: '127.0.0.1', port } },
      ...{ log: silent, members: [ownMember('Initialized')], repositories },
    }),
    (it) => it.stop(),
  );
  const { conf, params } = story;
  const confFile = await writeInstance(folder, {
    ...{ brokerPort: port, applicationPath: www },
    conf: { 'artifact.clone.interval': '1', 'enable.artifact.update': 'false', ...conf },
    params: { REPO_URL: repository.url, ...params },
    hooks: { 'artifactUpdated/10-smoke': smokeTest(www, story) },
  });
  const trace = () => readLines(join(folder, 'trace'));
  const stage: Stage = {
    ...{ folder, www, repository, platform },
    told: () => trace().flatMap((line) => /^end (.*)$/.exec(line)?.[1] ?? []),
  };

  async function live(): Promise<number> {
    for (let deaths = 0; ; deaths += 1) {
      const env = environmentOf(folder, deaths === 0 ? { CARTRIDGE_AGENT_FAULT: fault } : {});
      const agent = await startAgentProcess({ program, confFile, logFile: join(folder, `agent-${deaths}.log`), env });
      stack.defer(() => agent.kill());
      const exitCode = await agent.exited;
      if (exitCode === 0) return deaths;
      if (exitCode !== null) throw new Error(`exit code ${exitCode}`);
    }
  }

  async function lead(): Promise<void> {
    await platform.waitFor('InstanceActivatedEvent', undefined, { timeoutMs: soonMs });
    await story.lead(stage);
    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent', undefined, { timeoutMs: soonMs });
  }

  const [deaths] = await Promise.all([live(), lead()]).catch((cause) => {
    const logs = readdirSync(folder).filter((name) => name.startsWith('agent-'));
    const said = logs.flatMap((name) => [`--- ${name}`, ...readLines(join(folder, name)).slice(-25)]);
    throw new Error(`the life did not come to its end: ${[...trace(), ...said].join('\n')}`, { cause });
  });
  const wronglyTold = trace().filter((line) => line.startsWith('wrong'));
  const strange = [
    ...readdirSync(folder).filter((name) => /cartridge-agent-(?!life)/.test(name)),
    ...readdirSync(join(folder, 'tmp')).map((name) => `tmp/${name}`),
    ...(await processesLeft(folder)),
  ];
  const problems = [...(await story.problems(stage)), ...wronglyTold, ...strange.map((name) => `left behind: ${name}`)];
  return { deaths, problems };
}

/** Vetoes a bad one, and sees to it that what is told is what is in place. */
function smokeTest(www: string, { placed }: Story): string {
  return [
    `told=$(sed 's/.*"newCommit":"\\([0-9a-f]*\\)".*/\\1/')`,
    `placed=$(${placed.replace('WWW', www)})`,
    `content=$(cat ${www}/index.html)`,
    '[ "$told" = "$placed" ] || echo "wrong: told $told of $placed" >> $TRACE',
    'sleep 0.03',
    'echo "end $content" >> $TRACE',
    `[ "$content" != bad ] || echo '{"veto":"bad"}' >&3`,
  ].join('\n');
}

function unless(isSo: boolean, problem: string): string[] {
  return isSo ? [] : [problem];
}

async function namesOf(repository: TestRepository): Promise<string[]> {
  return (await repository.git('ls-tree', '--name-only', 'main')).split('\n');
}

function recordsOf(folder: string): { what: string; commit: string }[] {
  return readLines(join(folder, 'state', 'journal'))
    .map((line) => JSON.parse(line))
    .flatMap(({ kind, record }) => (kind === 'artifact' ? [record] : []));
}

/** What a git that was killed leaves, and our own index. */
function gitDebrisIn(clone: string): string[] {
  return readdirSync(join(clone, '.git'), { recursive: true })
    .map(String)
    .filter((name) => /\.lock$|tmp_|cartridge-agent-index$|\.keep$/.test(name))
    .map((name) => `left behind: .git/${name}`);
}

function readLines(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}
