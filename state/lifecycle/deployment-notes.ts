import { type Notes, withNote, withoutNote } from './condition.ts';
import type { LifecycleContext } from './context.ts';
import type { Deployment } from './facts.ts';

// What people are told of artifacts, beside the state.

export function noteOf(tenantId: string): string {
  return `artifacts of tenant ${tenantId}`;
}

/** That a repository cannot be had is a thing of its own: what was held up before still is. */
export function failureNoteOf(tenantId: string): string {
  return `repository of tenant ${tenantId}`;
}

export function calmNotes({ notes }: LifecycleContext, tenantId: string): Notes {
  return withoutNote(notes, failureNoteOf(tenantId));
}

/** What is left to tell about the artifacts of a tenant that are as they should be. */
export function notesAfter(context: LifecycleContext, { tenantId, warning }: Pick<Deployment, 'tenantId' | 'warning'>) {
  const about = noteOf(tenantId);
  const notes = withoutNote(calmNotes(context, tenantId), about);
  return warning === null ? notes : withNote(notes, { about, condition: 'degraded', text: warning });
}
