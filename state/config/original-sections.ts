/** The sections of an original agent.conf, by what they are to an agent. */
export type OriginalSections = {
  /** `[agent]`, and what is meant for us: `[plugin NAME]`. */
  readonly own: string;
  /** `[DEFAULT]`, under the name of `[agent]`: what holds unless that says otherwise. */
  readonly defaults: string;
  /** The first lines of all the others, which the originals never look at. */
  readonly others: readonly { readonly name: string; readonly line: number }[];
};

/**
 * Takes the text apart, before anybody reads lines in it: those of other sections may look like anything. In each text the
 * lines of the others are empty, so that the numbers stay.
 */
export function splitSections(text: string): OriginalSections {
  const own: string[] = [];
  const defaults: string[] = [];
  const others: { name: string; line: number }[] = [];
  let section: keyof OriginalSections = 'own';
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    // What is behind the bracket does not count; indented, it continues the line above.
    const name = /^\[([^\]]+)\]/.exec(line)?.[1];
    if (name !== undefined) section = kindOf(name);
    if (name !== undefined && section === 'others') others.push({ name, line: index + 1 });
    const header = section === 'defaults' ? 'agent' : name;
    const kept = name === undefined ? line : `[${header}]`;
    own.push(section === 'own' ? kept : '');
    defaults.push(section === 'defaults' ? kept : '');
  }
  return { own: own.join('\n'), defaults: defaults.join('\n'), others };
}

function kindOf(name: string): keyof OriginalSections {
  if (name === 'DEFAULT') return 'defaults';
  return /^\s*(agent|plugin(\s.*)?)\s*$/i.test(name) ? 'own' : 'others';
}
