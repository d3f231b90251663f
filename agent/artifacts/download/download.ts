import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '../../../state/errors.ts';
import { type Credential, type GitCall, GitError } from '../git/git.ts';
import { readRefIds } from '../git/ref-files.ts';
import { checkedRefName, isCommitId } from '../git/ref-name.ts';
import { fetchedRef, type Repository, removeDebris } from '../git/repository.ts';
import { ArtifactNoSpaceError, ArtifactTooLargeError, checkFreeSpace, withinLimit } from './limits.ts';
import { askRemote, fetchRefs } from './remote.ts';

/** The tag that was asked for, when it is an object of its own, with a message and perhaps a signature. */
export const tagRef = 'refs/cartridge-agent/tag';
/** With a slash at the end: the tags of the remote, by their names. */
export const tagRefs = 'refs/cartridge-agent/tags/';

/** What is to be brought here. */
export interface Download extends Pick<GitCall, 'onProgress'> {
  /** A branch, or else a tag of that name, or one commit in full; null for what the remote calls HEAD. */
  readonly ref: string | null;
  readonly credential: Credential | null;
  /** One commit without its history, where the server can do that. A clone that was shallow becomes full by false. */
  readonly isShallow: boolean;
  /** Null for none. */
  readonly limits: { readonly maxBytes: number | null };
  /** All tags of the remote too, with what they lead to. */
  readonly withTags?: boolean;
}

/** What was brought here, or was here already. */
export interface Downloaded {
  readonly commit: string;
  /** The object {@link tagRef} leads to; null for branches, commits, and tags that are a name only. */
  readonly tag: string | null;
}

/**
 * Brings a commit of the remote here, checked, as `refs/cartridge-agent/fetched`; no file in place is touched. Where
 * nothing has changed, this is one question to the server. A server that refuses the credential is asked without: user
 * names are given for public repositories too.
 *
 * @throws {@link ArtifactRefError}, {@link ArtifactTooLargeError}, {@link ArtifactNoSpaceError}, {@link GitError}
 * @see protocol.md 8.3, 8.4
 */
export async function download(repository: Repository, wanted: Download): Promise<Downloaded> {
  const before = await readBefore(repository);
  const source = await findSource(repository, wanted, before);
  if (before.commit !== null && mayStay(before, source, wanted)) return { commit: before.commit, tag: before.tag };

  await checkFreeSpace(repository.folder, reserveBytes);
  const packs = await packsIn(repository);
  try {
    await withinLimit(repository, wanted.limits.maxBytes, (limited) => bring(limited, { wanted, source, before }));
  } catch (error) {
    if (error instanceof ArtifactTooLargeError) await forget(repository, packs);
    if (!isDiskFull(error)) throw error;
    throw new ArtifactNoSpaceError(repository.folder, {}, { cause: error });
  }
  const downloaded = await settle(repository, source, before);
  if (before.commit !== null) await tidyObjects(repository);
  return downloaded;
}

/** For what git writes beside what it downloads. */
const reserveBytes = 16 * 2 ** 20;
const incomingRef = 'refs/cartridge-agent/incoming';
const allRefs = 'refs/cartridge-agent/all/';

/** What the last download has left. */
interface Before {
  readonly commit: string | null;
  readonly tag: string | null;
  readonly isShallow: boolean;
}

/** What to ask the remote for. */
interface Source {
  /** A full name, or the id of a commit. */
  readonly name: string;
  /** What the remote has there; null when it was not asked. */
  readonly id: string | null;
}

async function readBefore(repository: Repository): Promise<Before> {
  const ids = await readRefIds(repository, [fetchedRef, tagRef]);
  const shallow = await stat(join(repository.folder, '.git', 'shallow')).catch(() => null);
  return {
    commit: ids.get(fetchedRef) ?? null,
    tag: ids.get(tagRef) ?? null,
    isShallow: shallow !== null && shallow.size > 0,
  };
}

async function findSource(repository: Repository, wanted: Download, { commit }: Before): Promise<Source> {
  const { ref } = wanted;
  if (ref === null) {
    // There is something to compare with only when there is something here.
    const ids = commit === null ? null : await askRemote(repository, ['HEAD'], wanted);
    return { name: 'HEAD', id: ids?.get('HEAD') ?? null };
  }
  if (isCommitId(ref)) return { name: ref.toLowerCase(), id: ref.toLowerCase() };

  const names = [`refs/heads/${checkedRefName(ref)}`, `refs/tags/${ref}`];
  const ids = await askRemote(repository, names, wanted);
  const name = names.find((known) => ids.has(known));
  if (name === undefined)
    throw new GitError(`couldn't find remote ref ${ref}: neither a branch nor a tag is called so`);
  return { name, id: ids.get(name) ?? null };
}

function mayStay({ commit, tag, isShallow }: Before, { id }: Source, wanted: Download): boolean {
  // Tags are made for commits that are here already.
  if (wanted.withTags === true || (isShallow && !wanted.isShallow)) return false;
  return id !== null && id === (tag ?? commit);
}

interface Bringing {
  readonly wanted: Download;
  readonly source: Source;
  readonly before: Before;
}

async function bring(repository: Repository, { wanted, source, before }: Bringing): Promise<void> {
  const tags = wanted.withTags === true ? [`+refs/tags/*:${tagRefs}*`] : [];
  try {
    await fetchRefs(repository, [`+${source.name}:${incomingRef}`, ...tags], {
      ...wanted,
      depth: depthFor(wanted, before),
    });
  } catch (error) {
    if (!isCommitId(source.name) || !mayBeThere(error)) throw error;
    const everything = [`+refs/heads/*:${allRefs}heads/*`, `+refs/tags/*:${allRefs}tags/*`];
    const depth = depthFor({ isShallow: false }, before);
    await fetchRefs(repository, [...everything, ...tags], { ...wanted, depth });
    await point(repository, source.name);
  }
}

function depthFor({ isShallow }: Pick<Download, 'isShallow'>, before: Before): string[] {
  if (before.isShallow) return [isShallow ? '--depth=1' : '--unshallow'];
  // What is here in full is the better start: all that is new comes in one small pack.
  return isShallow && before.commit === null ? ['--depth=1'] : [];
}

/** By itself, a server gives only what it has a name for. */
function mayBeThere(error: unknown): boolean {
  return /unadvertised object|not our ref|couldn't find remote ref/i.test(reasonOf(error));
}

async function point(repository: Repository, commit: string): Promise<void> {
  try {
    await repository.run(['rev-parse', '--verify', '--quiet', `${commit}^{commit}`]);
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    throw new GitError(`couldn't find remote ref ${commit}: no branch or tag leads to such a commit`);
  }
  await repository.run(['update-ref', incomingRef, commit]);
  await removeRefs(repository, [allRefs]);
}

/** Gives what came its names. A tag gets its own after the commit: without it, the next download does this again. */
async function settle(repository: Repository, { name }: Source, before: Before): Promise<Downloaded> {
  const incoming = (await readRefIds(repository, [incomingRef])).get(incomingRef);
  const orders = [`update ${fetchedRef} ${incomingRef}^{commit}`, `delete ${incomingRef}`];
  if (before.tag !== null) orders.push(`delete ${tagRef}`);
  await changeRefs(repository, orders).catch((error: unknown) => {
    throw /invalid <?new-?value>?/i.test(reasonOf(error)) ? new GitError(`${name} of the remote is no commit`) : error;
  });
  const commit = (await readRefIds(repository, [fetchedRef])).get(fetchedRef);
  if (incoming === undefined || commit === undefined) throw new GitError('fetched nothing, without a word of git');

  if (incoming === commit) return { commit, tag: null };
  await changeRefs(repository, [`update ${tagRef} ${incoming}`]);
  return { commit, tag: incoming };
}

/** Once in a while, packs are made one. That is not what was asked for: it may fail, on a full disk above all. */
async function tidyObjects({ run }: Repository): Promise<void> {
  await run(['gc', '--auto', '--quiet']).catch((error: unknown) => {
    if (!(error instanceof GitError)) throw error;
  });
}

/** Undoes a download that was too large: what stays here would be taken for downloaded the next time. */
async function forget(repository: Repository, packs: ReadonlySet<string>): Promise<void> {
  await removeRefs(repository, [incomingRef, allRefs, tagRefs]);
  await removeDebris(repository.folder);
  const brought = [...(await packsIn(repository))].filter((name) => !packs.has(name));
  await Promise.all(brought.map((name) => rm(join(repository.folder, packFolder, name), { force: true })));
}

const packFolder = join('.git', 'objects', 'pack');

async function packsIn({ folder }: Repository): Promise<Set<string>> {
  return new Set(await readdir(join(folder, packFolder)).catch(() => []));
}

/** @param patterns - full names, or folders with a slash at the end */
async function removeRefs(repository: Repository, patterns: readonly string[]): Promise<void> {
  const orders = await repository.run(['for-each-ref', '--format=delete %(refname)', ...patterns]);
  if (orders !== '') await changeRefs(repository, orders.trim().split('\n'));
}

/** All of them, or none. */
async function changeRefs({ run }: Repository, orders: readonly string[]): Promise<void> {
  await run(['update-ref', '--stdin'], { input: `${orders.join('\n')}\n` });
}

function isDiskFull(error: unknown): boolean {
  return error instanceof GitError && /No space left on device|quota exceeded/i.test(error.message);
}
