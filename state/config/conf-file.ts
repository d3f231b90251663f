import type { Key } from './key.ts';
import { chapters } from './keys.ts';

const head = `# The configuration of cartridge-agent. Every key is here, commented out; written by conf/write-agent-conf.ts.
#
# One key = value per line. Keys may be written in any case; values are taken as they are, with # and ; and % in them,
# so a comment needs a line of its own. Empty and null mean "not set". Relative paths start in the folder of this file.
# Files named conf.d/*.conf beside this one are read too, in the order of their names; the last value of a key counts.
# What is not set here is taken from launch-params, then the default holds. Options of a plugin: section [plugin NAME].

[agent]
`;

/** The text of conf/agent.conf: all keys with their documentation, default and unit, each commented out. */
export function confFileText(): string {
  const sections = chapters.map(({ title, keys }) => [
    `## ${title}`,
    ...Object.entries(keys).map(([name, key]) => documented(name, key)),
  ]);
  return `${head}\n${sections.flat().join('\n\n')}\n`;
}

function documented(name: string, { doc, kind, fallback, example, effect }: Key<unknown>): string {
  const notice = { used: '', ignored: ' Ignored.' }[effect];
  const standard = fallback === null ? 'Not set by default.' : `Default: ${fallback}`;
  return [...wrapped(`${doc}${notice}`), ...wrapped(`Write ${kind.form}. ${standard}`), `# ${name} = ${example}`].join(
    '\n',
  );
}

/** Comment lines of 120 characters at most. */
function wrapped(text: string): string[] {
  const lines = ['#'];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '#';
    if (line.length + 1 + word.length <= 120) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(`# ${word}`);
  }
  return lines;
}
