import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

// The service of the demo and the two hooks around it: what the image of a cartridge would bring.

/** Serves one folder on one port. Reads the page anew for each request, so an update needs no restart. */
const server = `import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';

const [folder, port] = process.argv.slice(2);
const web = createServer(async (_request, response) => {
  const page = await readFile(join(folder, 'index.html')).catch(() => null);
  response.writeHead(page === null ? 404 : 200, { 'content-type': 'text/html; charset=utf-8', connection: 'close' });
  response.end(page ?? 'no page here');
});
web.listen(Number(port), '127.0.0.1');
`;

const start = (node: string) => `#!/bin/sh
# Artifacts are in place, for the first time or again. The server outlives this script, and the agent, so it holds
# nothing of them open: neither output nor fd 3, where hooks report.
cd "$(dirname "$0")/../web" || exit 1
if [ -f pid ] && kill -0 "$(cat pid)" 2>/dev/null; then
  echo "the web server serves the new page"
  exit 0
fi
${quoted(node)} server.mjs "$STRATOS_APPLICATION_PATH" "$STRATOS_PORTS" >log 2>&1 </dev/null 3>&- &
echo "$!" >pid
echo "started the web server on port $STRATOS_PORTS"
`;

const stop = `#!/bin/sh
# The instance goes down: end what was started.
cd "$(dirname "$0")/../web" || exit 1
[ -f pid ] || exit 0
kill "$(cat pid)"
rm -f pid
echo "stopped the web server"
`;

/**
 * Writes `web/` and the hooks in `extensions/` that start and stop it.
 *
 * @param node - the program that runs the server
 */
export async function installWebService(folder: string, node: string): Promise<void> {
  const [web, extensions] = [join(folder, 'web'), join(folder, 'extensions')];
  await Promise.all([mkdir(web), mkdir(extensions)]);
  await writeFile(join(web, 'server.mjs'), server);
  await writeFile(join(extensions, 'ArtifactUpdatedEvent.sh'), start(node), { mode: 0o755 });
  await writeFile(join(extensions, 'clean.sh'), stop, { mode: 0o755 });
}

/**
 * Ends what hooks of this instance have left running: all that has its application path in the environment hooks get.
 * Waits for nothing, so it can be the very last thing a process does.
 */
export function killServices(applicationPath: string): void {
  const mark = `STRATOS_APPLICATION_PATH=${applicationPath}\0`;
  const isOurs = (pid: number) => readOrNothing(`/proc/${pid}/environ`).includes(mark);
  // Once more after each round: a script that was just ended may just have started something.
  for (let round = 0; round < 10; round += 1) {
    const ours = runningPids().filter(isOurs);
    if (ours.length === 0) return;
    for (const pid of ours) kill(pid);
  }
}

/** @returns the title of the page that is served; null if nothing answers */
export async function readTitle(url: string): Promise<string | null> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    return /<title>(.*?)<\/title>/.exec(await response.text())?.[1] ?? '';
  } catch {
    return null;
  }
}

/** Asks until the page has this title; null waits until nothing answers. */
export async function untilTitle(url: string, title: string | null, signal: AbortSignal): Promise<void> {
  while ((await readTitle(url)) !== title) await sleep(50, undefined, { signal });
}

function runningPids(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

/** Other people's processes cannot be read, and others are gone when we look. */
function readOrNothing(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself: that was wanted.
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
