import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { AgentError, reasonOf } from '../../../state/errors.ts';
import { isDamage } from '../failures.ts';
import { GitError } from '../git/git.ts';
import type { Repository } from '../git/repository.ts';

/** Which commits may be put in place: any, those that are signed, or those that a signed tag points at. */
export type VerifyPolicy = 'none' | 'signed-commit' | 'signed-tag';

/** Who says that a commit may run here. */
export interface Signer {
  /** As the signers file names it. */
  readonly principal: string;
  /** `SHA256:...` of the key. */
  readonly key: string;
  /** The name of the tag that is signed; null: the commit itself is. */
  readonly tag: string | null;
}

/** What decides on a commit. */
export interface Verification {
  readonly policy: VerifyPolicy;
  /** Absolute; in the format of ssh's allowed signers. Null only for `none`. */
  readonly signersFile: string | null;
  /** Of the clone, or folders of them: `refs/tags/v1`, `refs/cartridge-agent/tags`. */
  readonly tagRefs: readonly string[];
  /** What the tag must be called, by its own word; null: as its ref is. Else an old release could get a new label. */
  readonly tagName?: string | null;
}

/**
 * Checks who has signed a commit, or a tag that points at it, by git and ssh-keygen: a key counts if the signers file
 * lists it, for namespace `git`, and if it was valid when it was signed. Signatures of other kinds than ssh's never count.
 *
 * @param commit - its full id
 * @returns null if the policy asks for nobody
 * @throws {@link ArtifactUnverifiedError} - it must not be put in place
 * @throws {@link ArtifactVerifySetupError} - this instance cannot check it
 * @throws GitError - the clone is damaged, or the signal ended the check
 * @see https://man.openbsd.org/ssh-keygen#ALLOWED_SIGNERS
 */
export async function verifyCommit(
  repository: Repository,
  commit: string,
  { policy, signersFile, tagRefs, tagName = null }: Verification,
): Promise<Signer | null> {
  if (policy === 'none') return null;
  const file = await readableFile(signersFile);
  const isSignedHere = (object: SignedObject) => checkSignature(repository, object, file);
  if (policy === 'signed-tag') return await verifyTags(repository, commit, { tagRefs, tagName, isSignedHere });

  const text = await readObject(repository, { kind: 'commit', id: commit });
  const verdict = await isSignedHere({ kind: 'commit', id: commit, signature: signatureOfCommit(text) });
  if (verdict.principal === null) throw new ArtifactUnverifiedError({ commit, policy, tags: [], ...verdict });
  return { principal: verdict.principal, key: verdict.key, tag: null };
}

/** A commit is not signed by anybody whom this instance is told to trust. */
export class ArtifactUnverifiedError extends AgentError {
  override readonly name = 'ArtifactUnverifiedError';
  override readonly lasting = true;
  readonly code = 'ARTIFACT_UNVERIFIED';
  readonly remedy: string;

  /** @param about - `key`: of who has signed, if that is known; `tags`: that point at the commit */
  constructor(about: {
    readonly commit: string;
    readonly policy: VerifyPolicy;
    readonly reason: string;
    readonly key: string | null;
    readonly tags: readonly string[];
  }) {
    const { commit, policy, reason, key, tags } = about;
    super(`cannot trust commit ${commit.slice(0, 12)}: ${reason}`, { facts: { commit, policy, reason, key, tags } });
    const what = policy === 'signed-tag' ? 'Tag the commit with git tag -s' : 'Sign the commit with git commit -S';
    this.remedy = `${what}, by an ssh key that artifact.verify.signers lists; what is in place stays there until then.`;
  }
}

/** This instance is told to check signatures, and has not what that takes. */
export class ArtifactVerifySetupError extends AgentError {
  override readonly name = 'ArtifactVerifySetupError';
  override readonly lasting = true;
  readonly code = 'ARTIFACT_VERIFY_SETUP';
  readonly remedy: string;

  constructor(reason: string, options: { remedy: string; signersFile: string | null; cause?: unknown }) {
    const { remedy, signersFile, cause } = options;
    super(`cannot check signatures: ${reason}`, { cause, facts: { reason, signersFile } });
    this.remedy = remedy;
  }
}

/** A commit or tag, and the signature in it: `ssh`, another kind, or none. */
type SignedObject = { readonly kind: 'commit' | 'tag'; readonly id: string; readonly signature: string | null };
type Verdict =
  | { readonly principal: string; readonly key: string }
  | { readonly principal: null; readonly key: string | null; readonly reason: string };

/** Neither does a commit or tag that a person has written come near this, nor should any fill our memory. */
const maxObjectBytes = 1_048_576;
const maxTags = 20;
const maxSaid = 65_536;

async function readableFile(signersFile: string | null): Promise<string> {
  const remedy = 'Set artifact.verify.signers to a file of allowed signers that the user of the agent may read.';
  if (signersFile === null) throw new ArtifactVerifySetupError('no signers file is set', { remedy, signersFile });
  try {
    await access(signersFile, constants.R_OK);
    if (!(await stat(signersFile)).isFile()) throw new Error(`${signersFile} is no file`);
    return signersFile;
  } catch (cause) {
    throw new ArtifactVerifySetupError(`cannot read ${signersFile}: ${reasonOf(cause)}`, {
      remedy,
      signersFile,
      cause,
    });
  }
}

/** The first good one counts. A tag of a tag is none of the commit, and one without a message cannot be signed. */
async function verifyTags(
  repository: Repository,
  commit: string,
  by: { tagRefs: readonly string[]; tagName: string | null; isSignedHere: (tag: SignedObject) => Promise<Verdict> },
): Promise<Signer> {
  const refused = { key: null as string | null, reason: 'no annotated tag points at it' };
  const tags = await tagsAt(repository, commit, by.tagRefs);
  for (const { ref, id } of tags) {
    const text = await readObject(repository, { kind: 'tag', id });
    const tag = nameIn(text);
    const isCalledSo = by.tagName === null ? tag !== '' && ref.endsWith(`/${tag}`) : tag === by.tagName;
    const isItself = isCalledSo && text.startsWith(`object ${commit}\ntype commit\n`);
    const verdict = isItself
      ? await by.isSignedHere({ kind: 'tag', id, signature: signatureOfTag(text) })
      : { principal: null, key: null, reason: 'it is called otherwise' };
    if (verdict.principal !== null) return { principal: verdict.principal, key: verdict.key, tag };
    Object.assign(refused, { key: verdict.key ?? refused.key, reason: `of tag ${tag}, ${verdict.reason}` });
  }
  const names = tags.map(({ ref }) => ref);
  throw new ArtifactUnverifiedError({ commit, policy: 'signed-tag', tags: names, ...refused });
}

async function tagsAt({ run }: Repository, commit: string, tagRefs: readonly string[]) {
  if (tagRefs.length === 0) return []; // To git, no pattern is every ref.
  const format = '--format=%(objecttype) %(objectname) %(refname)';
  const lines = (await run(['for-each-ref', format, `--points-at=${commit}`, ...tagRefs])).split('\n');
  const found = lines.map((line) => line.split(' ')).filter(([type]) => type === 'tag');
  return found.slice(-maxTags).map(([, id = '', ref = '']) => ({ id, ref }));
}

async function readObject({ run }: Repository, { kind, id }: { kind: 'commit' | 'tag'; id: string }): Promise<string> {
  const sizeBytes = Number(await run(['cat-file', '-s', id]));
  return sizeBytes > maxObjectBytes ? '' : await run(['cat-file', kind, id]);
}

/** Git goes by the first of these headers. */
function signatureOfCommit(text: string): string | null {
  const [headers = ''] = text.split('\n\n', 1);
  return kindOf(/^gpgsig (.*)$/m.exec(headers)?.[1]);
}

/** Git goes by the last one in the message. */
function signatureOfTag(text: string): string | null {
  return kindOf([...text.matchAll(/^-----BEGIN .*$/gm)].at(-1)?.[0]);
}

function kindOf(firstLine: string | undefined): string | null {
  if (firstLine === undefined) return null;
  return firstLine.startsWith('-----BEGIN SSH SIGNATURE-----') ? 'ssh' : 'other';
}

function nameIn(text: string): string {
  return /^tag (.*)$/m.exec(text.split('\n\n', 1)[0] ?? '')?.[1] ?? '';
}

/** Other kinds of signatures are not even shown to git: it would start gpg, which has keys of its own to trust. */
async function checkSignature(repository: Repository, object: SignedObject, signersFile: string): Promise<Verdict> {
  const { kind, id, signature } = object;
  if (signature === null) return { principal: null, key: null, reason: 'it is not signed' };
  if (signature !== 'ssh') return { principal: null, key: null, reason: 'it is not signed with an ssh key' };

  let said = '';
  const onMessage = (piece: string) => {
    if (said.length < maxSaid) said += piece;
  };
  const configuration = ['-c', 'gpg.format=ssh', '-c', `gpg.ssh.allowedSignersFile=${signersFile}`];
  const args = [...configuration, `verify-${kind}`, '--raw', id];
  const failure = await repository.run(args, { onMessage }).then(
    () => null,
    (error: unknown) => error,
  );
  const good = /^Good "git" signature for (.+) with \S+ key (SHA256:\S+)$/m.exec(said);
  if (failure === null && good !== null) return { principal: good[1] ?? '', key: good[2] ?? '' };
  if (failure !== null) throwUnlessVerdict(failure, { said, signersFile });
  return { principal: null, ...refusalIn(said, signersFile) };
}

/** Only what ssh-keygen has said of a signature is a verdict on it. */
function throwUnlessVerdict(failure: unknown, { said, signersFile }: { said: string; signersFile: string }): void {
  const isUnable = /cannot (run|spawn) ssh-keygen|ssh-keygen .* is needed/.test(said);
  if (isUnable) {
    const remedy = 'Install OpenSSH 8.9 or later (Debian: openssh-client): its ssh-keygen checks signatures.';
    throw new ArtifactVerifySetupError('ssh-keygen cannot be run', { remedy, signersFile, cause: failure });
  }
  if (!(failure instanceof GitError) || said.trim() === '' || isDamage(failure)) throw failure;
}

function refusalIn(said: string, signersFile: string): { key: string | null; reason: string } {
  const [, key = null] = /^Good "git" signature .*with \S+ key (SHA256:\S+)$/m.exec(said) ?? [];
  // `FILE:2: key has expired: ...`, or is not yet valid, or not for this namespace.
  const [, objection] = /:\d+: (key (?:has|is) [^\n]*)/.exec(said) ?? [];
  const signer = key ?? 'a key of the signers file';
  if (objection !== undefined) return { key, reason: `it is signed by ${signer}, but ${objection}` };
  if (key === null) return { key, reason: 'its signature is not of this content, or damaged' };
  return { key, reason: `it is signed by ${key}, which is not in ${signersFile}` };
}
