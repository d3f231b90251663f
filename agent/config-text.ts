import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { reasonOf } from '../state/errors.ts';

/** Either what a file holds, or why it cannot be had. */
export type FileText = { readonly text: string } | { readonly reason: string };

/** Far more than any configuration needs; a larger file is another file. */
const limitBytes = 1024 ** 2;

/** Never waits: what is not a regular file, such as a pipe, is refused before it is opened. */
export function readText(file: string, encoding: 'utf8' | 'any' = 'utf8'): FileText {
  try {
    const stat = statSync(file);
    if (!stat.isFile()) return { reason: 'is not a regular file' };
    if (stat.size > limitBytes) return { reason: `is larger than 1 MB (${stat.size} bytes)` };
    const bytes = readFileSync(file);
    if (encoding === 'utf8' && !isUtf8(bytes)) return { reason: 'is not UTF-8 text' };
    return { text: bytes.toString('utf8') };
  } catch (error) {
    return { reason: reasonFor(error) };
  }
}

/** Why a file cannot be had, in words. */
export function reasonFor(error: unknown): string {
  const known: Readonly<Record<string, string>> = {
    ENOENT: 'does not exist',
    ENOTDIR: 'does not exist',
    EACCES: 'may not be read by this user',
  };
  return known[codeOf(error)] ?? `cannot be read: ${reasonOf(error)}`;
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
