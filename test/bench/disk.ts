import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';

/** By the magic number of statfs(2); `isMemory`: nothing there reaches a disk, however it is synced. */
const fileSystems: Readonly<Record<number, { readonly name: string; readonly isMemory?: true }>> = {
  61267: { name: 'ext4' },
  1481003842: { name: 'xfs' },
  2435016766: { name: 'btrfs' },
  801189825: { name: 'zfs' },
  26985: { name: 'nfs' },
  2035054128: { name: 'overlayfs' },
  16914836: { name: 'tmpfs', isMemory: true },
  2240043254: { name: 'ramfs', isMemory: true },
};

/** What the temporary folder is on, where the agents of the bench have their state. */
export function temporaryDisk(): { readonly fileSystem: string; readonly isMemory: boolean } {
  const { type } = statfsSync(tmpdir());
  const { name, isMemory = false } = fileSystems[type] ?? { name: `0x${type.toString(16)}` };
  return { fileSystem: name, isMemory };
}
