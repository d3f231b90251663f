/** Whose name is on a commit. */
export interface Identity {
  readonly name: string;
  readonly email: string;
}

/** The agent itself: for commits that stay on this instance, and for all that git would take for no name. */
export const ownIdentity: Identity = { name: 'cartridge-agent', email: 'cartridge-agent@localhost' };

/** Tells git who commits; git refuses to without, and takes names of nothing but dots and quotes for none. */
export function identityEnvironment({
  author,
  committer = author,
}: {
  author: Identity;
  committer?: Identity;
}): Record<string, string> {
  return {
    GIT_AUTHOR_NAME: usable(author.name, ownIdentity.name),
    GIT_AUTHOR_EMAIL: usable(author.email, ownIdentity.email),
    GIT_COMMITTER_NAME: usable(committer.name, ownIdentity.name),
    GIT_COMMITTER_EMAIL: usable(committer.email, ownIdentity.email),
  };
}

function usable(text: string, otherwise: string): string {
  const letters = [...text].filter((letter) => letter >= ' ' && !'<>\u007f'.includes(letter));
  const clean = letters.join('').trim();
  return /[^\s.,:;"\\']/.test(clean) ? clean : otherwise;
}
