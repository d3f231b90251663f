import { readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The agent.conf and the launch-params of an original agent, as they are. */
export const samples = { conf: sample('agent.conf'), params: sample('launch-params') };

/** What the samples have of another machine, and what is there instead. */
type Addresses = Readonly<Record<string, string>>;

/**
 * Makes the folder of an original agent: the samples unchanged but for addresses, scripts that trace who was run, and
 * what else the originals have there.
 *
 * @param options - `scripts`: the names of events; each appends its name to `traceFile`, and what `says` has for it
 */
export async function writeOriginalHome(
  home: string,
  options: {
    readonly addresses: Addresses;
    readonly scripts: readonly string[];
    readonly says?: Readonly<Record<string, string>>;
    readonly traceFile: string;
  },
): Promise<void> {
  const { addresses, scripts, says = {}, traceFile } = options;
  const trace = (name: string) => [
    `extensions/bash/${name}.sh`,
    `#!/bin/bash\necho ${name} ${says[name] ?? ''} >> ${traceFile}\n`,
  ];
  const files = {
    'agent.conf': replaced(samples.conf, addresses),
    'payload/launch-params': replaced(samples.params, addresses),
    'terminator.txt': 'false\n',
    'agent.py': 'raise SystemExit("not this one")\n',
    'logging.ini': '[loggers]\nkeys=root\n',
    'plugins/TomcatPlugin.py': 'raise SystemExit("not run")\n',
    'plugins/TomcatPlugin.yapsy-plugin': '[Core]\nName = TomcatPlugin\nModule = TomcatPlugin\n',
    'extensions/py/ExtensionExecutor.yapsy-plugin': '[Core]\nName = Extension executor\n',
    'extensions/instance-started.sh': `#!/bin/bash\necho java >> ${traceFile}\n`,
    ...(Object.fromEntries(scripts.map(trace)) as Record<string, string>),
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(home, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    if (name.endsWith('.sh')) await chmod(path, 0o755);
  }
}

function replaced(text: string, addresses: Addresses): string {
  return Object.entries(addresses).reduce((now, [from, to]) => now.replaceAll(from, to), text);
}

function sample(name: string): string {
  return readFileSync(new URL(`../samples/${name}`, import.meta.url), 'utf8');
}
