/** What ssh is told beyond the user's own configuration; absolute paths. */
export interface SshFiles {
  /** The private key to log in with; null for those of the user's own configuration. */
  readonly key: string | null;
  /** In the format of ssh; these hosts alone are known then. Null for those the user knows. */
  readonly knownHosts: string | null;
}

/**
 * What git runs for ssh, through a shell. Nobody is asked, no unknown host is talked to, nothing of this instance is
 * forwarded, and no connection outlives its job; for the rest the user's own configuration holds.
 */
export function sshCommand({ key, knownHosts }: SshFiles): string {
  const options = [
    ...['BatchMode=yes', 'StrictHostKeyChecking=yes', 'ControlMaster=no'],
    ...['ForwardAgent=no', 'ClearAllForwardings=yes'],
    // As with http: who says nothing for a minute is not there.
    ...['ConnectTimeout=30', 'ServerAliveInterval=15', 'ServerAliveCountMax=4'],
    ...(key === null ? [] : [`IdentityFile=${quotedForSsh(key)}`, 'IdentitiesOnly=yes']),
    ...(knownHosts === null ? [] : [`UserKnownHostsFile=${quotedForSsh(knownHosts)}`, ...onlyTheseHosts]),
  ];
  return ['ssh', ...options.flatMap((option) => ['-o', quotedForShell(option)])].join(' ');
}

const onlyTheseHosts = ['GlobalKnownHostsFile=/dev/null', 'UpdateHostKeys=no'];

/** ssh splits at blanks, and replaces what begins with a percent sign. */
function quotedForSsh(path: string): string {
  return `"${path.replaceAll(/["\\]/g, '\\$&').replaceAll('%', '%%')}"`;
}

function quotedForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
