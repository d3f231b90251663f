import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createArtifacts } from '../../agent/artifacts/artifacts.ts';
import { shop } from '../../agent/demo/story.ts';
import { createLog } from '../../agent/log.ts';
import { defaults } from '../support/artifact-config.ts';
import { bigTopology } from '../support/big-topology.ts';
import { type GitServer, startGitServer, type TestRepository } from '../support/git-server.ts';
import type { MeasureName, Note } from './measures.ts';
import { openStage } from './stage.ts';

const execute = promisify(execFile);
const topology = bigTopology({ members: 100, memberId: shop.memberId, status: 'Initialized' });
const polls = 20;

/** What the agent takes for artifacts, beside git alone on the same server in the same run. */
export async function measureArtifacts(note: Note, signal: AbortSignal): Promise<void> {
  await using server = await startGitServer();
  const small = await repositoryOf(server, { files: 100, bytes: 10_486 });
  const large = await repositoryOf(server, { files: 2_000, bytes: 104_858 });
  await measureFirst(small, { placed: 'smallPlaced', cloned: 'smallCloned', ratio: 'smallRatio' }, note, signal);
  await measureFirst(large, { placed: 'largePlaced', cloned: 'largeCloned', ratio: 'largeRatio' }, note, signal);
  await measurePoll(small, note, signal);
}

/** Of bytes that cannot be compressed. */
async function repositoryOf(server: GitServer, { files, bytes }: { files: number; bytes: number }) {
  const repository = await server.createRepository(`${files}.git`);
  const name = (index: number) => `folder-${index % 20}/file-${index}`;
  await repository.commit(
    Object.fromEntries(Array.from({ length: files }, (_, index) => [name(index), randomBytes(bytes)])),
  );
  return repository;
}

/** From the event until the files are in place: of an agent that has been started, by its log. */
async function measureFirst(
  { url }: TestRepository,
  names: Readonly<Record<'placed' | 'cloned' | 'ratio', MeasureName>>,
  note: Note,
  signal: AbortSignal,
): Promise<void> {
  const clonedMs = await timeOf((folder) => execute('git', ['clone', '--quiet', url, join(folder, 'clone')]));
  await using stage = await openStage(signal);
  const agent = await stage.startAgent({ REPO_URL: url }, { 'artifact.protocols': 'http' });
  await stage.peer.heard('CompleteTopologyRequestEvent');
  await stage.peer.say('CompleteTopologyEvent', topology);
  await stage.peer.heard('InstanceStartedEvent');

  const placed = agent.next(({ event }) => event === 'artifact.placed', signal);
  const sinceMs = performance.now();
  const event = { clusterId: shop.clusterId, tenantId: String(shop.tenantId), repoURL: url };
  await stage.peer.say('ArtifactUpdatedEvent', JSON.stringify(event));
  await placed;
  const placedMs = performance.now() - sinceMs;

  note(names.placed, placedMs);
  note(names.cloned, clonedMs);
  note(names.ratio, placedMs / clonedMs);
}

/** Looks for something new, also such that look for files others have changed, and the mere question to the server, in turns. */
async function measurePoll({ url }: TestRepository, note: Note, signal: AbortSignal): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  const log = createLog({ level: 'silent', pretty: false, colour: false });
  const config = { ...defaults, path: join(folder, 'www') };
  const artifacts = createArtifacts({ config, multiTenant: false, stateDir: join(folder, 'state'), log });
  artifacts.want({ repoURL: url, tenantId: '1' });
  await artifacts.place(await artifacts.fetch('1', { signal }), { signal });

  const looks: number[] = [];
  const regularLooks: number[] = [];
  const questions: number[] = [];
  for (let nth = 0; nth < polls; nth += 1) {
    looks.push(await timeOf(() => artifacts.fetch('1', { trigger: 'event', signal })));
    regularLooks.push(await timeOf(() => artifacts.fetch('1', { trigger: 'interval', signal })));
    questions.push(await timeOf(() => execute('git', ['ls-remote', '--quiet', url, 'HEAD'])));
  }
  await rm(folder, { recursive: true });
  const [look, question] = [medianOf(looks), medianOf(questions)];
  note('pollLook', look);
  note('pollRegular', medianOf(regularLooks));
  note('pollQuestion', question);
  note('pollRatio', look / question);
}

/** @returns ms */
async function timeOf(work: (folder: string) => Promise<unknown>): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  const sinceMs = performance.now();
  await work(folder);
  const tookMs = performance.now() - sinceMs;
  await rm(folder, { recursive: true });
  return tookMs;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}
