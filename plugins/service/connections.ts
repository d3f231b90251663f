import { readFile } from 'node:fs/promises';

const established = '01';

/** How many clients are connected to these ports of ours. @see proc(5), /proc/net/tcp */
export async function openConnections(ports: readonly number[]): Promise<number> {
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(readTable));
  const rows = tables.flatMap((table) => table.trim().split('\n').slice(1));
  return rows.filter((row) => {
    const [, local = '', , state] = row.trim().split(/\s+/);
    const port = Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16);
    return state === established && ports.includes(port);
  }).length;
}

/** Where there is no IPv6 there is no table of it. */
async function readTable(path: string): Promise<string> {
  return await readFile(path, 'latin1').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return '';
    throw thrown;
  });
}
