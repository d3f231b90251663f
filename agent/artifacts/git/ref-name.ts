import { AgentError } from '../../../state/errors.ts';

/**
 * The name as it is, once it is sure that git takes it for nothing but the name of a branch or tag.
 *
 * @throws {@link ArtifactRefError}
 * @see git-check-ref-format(1)
 */
export function checkedRefName(name: string): string {
  const reason = reasonAgainst(name);
  if (reason !== null) throw new ArtifactRefError(name, reason);
  return name;
}

/** Whether the name is that of one commit, in full. A branch that is called so cannot be asked for. */
export function isCommitId(name: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/i.test(name);
}

/** What was asked for can be no branch, tag or commit. */
export class ArtifactRefError extends AgentError {
  override readonly name = 'ArtifactRefError';
  override readonly lasting = true;
  readonly code = 'ARTIFACT_REF_REFUSED';
  readonly remedy =
    'Set artifact.branch to the name of a branch or tag, or to a commit in full, and start the agent again.';

  constructor(name: string, reason: string) {
    const shown = name.slice(0, 80);
    super(`cannot use ${JSON.stringify(shown)} as branch, tag or commit: ${reason}`, { facts: { ref: shown, reason } });
  }
}

function reasonAgainst(name: string): string | null {
  if (name === '') return 'it is empty';
  if (name.startsWith('-')) return 'it looks like an option';
  if (name.length > 250) return 'it is too long';
  if ([...name].some((character) => character <= ' ' || character === '\u007f')) return 'it has blanks';
  return forbidden.test(name) ? 'git does not allow such a name' : null;
}

const forbidden = /[~^:?*[\\]|\.\.|@\{|\/\/|^@$|^HEAD$|^\/|\/$|\.$|(^|\/)\.|\.lock(\/|$)/;
