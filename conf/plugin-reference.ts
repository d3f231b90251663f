import { z } from 'zod';
import { type HookName, hooks } from '../plugins/contract/hooks.ts';
import { inputSchemas, instanceSchema } from '../plugins/contract/inputs.ts';

type Fields = Readonly<Record<string, z.ZodType>>;

/**
 * The reference of the hooks, for plugins/README.md: which there are, and what they are told.
 * `node conf/write-plugin-reference.ts` puts it there; a test compares.
 */
export function hooksReference(): string {
  return [hooksTable(), instanceSection(), ...inputSections()].join('\n\n');
}

/** The document with the reference as it is now, between the two marks; they are added at its end if it has none. */
export function withReference(document: string): string {
  const marked = document.includes(marks.begin) ? document : `${document}\n${marks.begin}\n${marks.end}\n`;
  const [before, rest = ''] = marked.split(marks.begin);
  const [, after = ''] = rest.split(marks.end);
  return `${before}${marks.begin}\n${hooksReference()}\n${marks.end}${after}`;
}

const marks = {
  begin: '<!-- the hooks: written by conf/write-plugin-reference.ts -->',
  end: '<!-- end of the hooks -->',
};

const hookNames = Object.keys(hooks) as HookName[];

function hooksTable(): string {
  const rows = hookNames.map((name) => {
    const { kind, script, when } = hooks[name];
    return [`\`${name}\``, kind, when, script === null ? '-' : `${script}.sh`, inputLink(name)];
  });
  return table(['hook', 'kind', 'when', 'Stratos script', 'input'], rows);
}

function inputLink(name: HookName): string {
  const section = sections.find(({ names }) => names.includes(name));
  return section === undefined ? '-' : `[fields](#${section.anchor})`;
}

function instanceSection(): string {
  const intro = 'Beside its input, every hook is told who we are: `context.instance` of a plugin, `instance` on stdin.';
  return [heading('instance', 'The instance'), intro, fieldsTable(instanceSchema.shape)].join('\n\n');
}

function inputSections(): string[] {
  return sections.map(({ anchor, names, fields }) => {
    const title = `Input of ${names.map((name) => `\`${name}\``).join(', ')}`;
    return [heading(anchor, title), fieldsTable(fields)].join('\n\n');
  });
}

/** Hooks that are told the same share a section. */
const sections = [...Map.groupBy(hookNames, (name) => inputSchemas[name])]
  .map(([schema, names]) => ({ anchor: `input-of-${names[0]?.toLowerCase()}`, names, fields: schema.shape as Fields }))
  .filter(({ fields }) => Object.keys(fields).length > 0);

function heading(anchor: string, title: string): string {
  return `<a id="${anchor}"></a>\n\n### ${title}`;
}

function fieldsTable(fields: Fields): string {
  return table(['field', 'type', 'means'], rowsOf('', fields));
}

/** Objects within objects are listed with dots: `event.clusterId`. */
function rowsOf(prefix: string, fields: Fields): string[][] {
  return Object.entries(fields).flatMap(([key, schema]) => {
    const inner = innermost(schema);
    const row = [`\`${prefix}${key}\``, typeOf(schema), wordsOf(schema)];
    return [row, ...(inner === null ? [] : rowsOf(`${prefix}${key}${inner.suffix}.`, inner.fields))];
  });
}

/** The fields of an object, or of the objects of a list. */
function innermost(schema: z.ZodType): { fields: Fields; suffix: string } | null {
  if (schema instanceof z.ZodObject) return { fields: schema.shape, suffix: '' };
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodOptional) return innermost(insideOf(schema));
  if (!(schema instanceof z.ZodArray)) return null;
  const inner = innermost(schema.element as z.ZodType);
  return inner === null ? null : { ...inner, suffix: '[]' };
}

function typeOf(schema: z.ZodType): string {
  if (schema instanceof z.ZodNullable) return `${typeOf(insideOf(schema))}, or null`;
  if (schema instanceof z.ZodOptional) return `${typeOf(insideOf(schema))}, or absent`;
  if (schema instanceof z.ZodArray) return `list of ${typeOf(schema.element as z.ZodType)}`;
  if (schema instanceof z.ZodEnum) return schema.options.map((option) => `\`${option}\``).join(', ');
  if (schema instanceof z.ZodLiteral) return `\`"${schema.value}"\``;
  const name = typeNames[schema.type];
  if (name === undefined) throw new Error(`no word for the type ${schema.type} of an input`);
  return name;
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'whole number',
  object: 'object',
  record: 'text by key',
  unknown: 'JSON',
};

function wordsOf(schema: z.ZodType): string {
  const inside = schema instanceof z.ZodNullable || schema instanceof z.ZodOptional ? insideOf(schema) : null;
  const words = schema.description ?? inside?.description;
  if (words === undefined) throw new Error('a field of an input has no description');
  return words;
}

function insideOf(schema: z.ZodNullable | z.ZodOptional): z.ZodType {
  return schema.unwrap() as z.ZodType;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}
