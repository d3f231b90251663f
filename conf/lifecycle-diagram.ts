import { lifecycle } from '../state/lifecycle/lifecycle.ts';

type Node = typeof lifecycle.root;

/**
 * The lifecycle machine as a Mermaid state diagram, for ARCHITECTURE.md.
 * `node conf/write-architecture.ts` puts it there; a test compares.
 */
export function drawLifecycle(): string {
  const regions = Object.values(lifecycle.root.states) as Node[];
  return regions.map((region) => `\`\`\`mermaid\nstateDiagram-v2\n${drawRegion(region)}\n\`\`\``).join('\n\n');
}

/** ARCHITECTURE.md with the machine as it is now, between the two marks. */
export function withDiagram(document: string): string {
  const [before, rest = ''] = document.split(marks.begin);
  const [, after = ''] = rest.split(marks.end);
  return `${before}${marks.begin}\n${drawLifecycle()}\n${marks.end}${after}`;
}

const marks = {
  begin: '<!-- the machine: written by conf/write-architecture.ts -->',
  end: '<!-- end of the machine -->',
};

function drawRegion(region: Node): string {
  const states = drawChildren(region, '  ');
  const whole = `  state "any state" as ${idOf(region)}`;
  return [whole, ...states, ...new Set(allOf(region).flatMap(drawTransitions))].join('\n');
}

function drawChildren(node: Node, indent: string): string[] {
  const children = Object.values(node.states) as Node[];
  const initial = children.filter((child) => node.config.initial === child.key);
  return [
    ...initial.map((child) => `${indent}[*] --> ${idOf(child)}`),
    ...children.flatMap((child) =>
      isDrawnWhole(child)
        ? [`${indent}state "${child.key}" as ${idOf(child)}`]
        : [`${indent}state "${child.key}" as ${idOf(child)} {`, ...drawChildren(child, `${indent}  `), `${indent}}`],
    ),
  ];
}

/** A gate is one thing to the reader: its hooks run, or keep it closed. */
function isDrawnWhole(node: Node): boolean {
  return Object.keys(node.states).every((key) => key === 'running' || key === 'blocked');
}

/** Handlers without a target change only what is remembered: they are not drawn. */
function drawTransitions(node: Node): string[] {
  const all = [...node.transitions.values()].flat().concat(node.always ?? []);
  const drawn = all.flatMap(({ target, eventType, guard }) =>
    (target ?? []).map((to) => ({ to: drawnAs(to as Node), label: labelOf(eventType, guard) })),
  );
  return drawn
    .filter(({ to }) => to !== drawnAs(node) || !isInGate(node))
    .map(({ to, label }) => `  ${drawnAs(node)} --> ${to}: ${label}`);
}

function labelOf(eventType: string, guard: unknown): string {
  const event = eventType
    .replace(/^xstate\.done\.actor\.(.*)$/, '$1 done')
    .replace(/^xstate\.error\.actor\.(.*)$/, '$1 failed')
    .replace(/^raised\./, '');
  const question = typeof guard === 'object' && guard !== null && 'type' in guard ? guard.type : guard;
  const ifPassed = question === 'isPassed' || question === 'isDegraded' || question === undefined;
  const label = [event, ifPassed ? '' : `[${String(question)}]`].filter((part) => part !== '');
  return label.length === 0 ? 'at once' : label.join(' ');
}

function allOf(node: Node): Node[] {
  return [node, ...(Object.values(node.states) as Node[]).flatMap(allOf)];
}

function drawnAs(node: Node): string {
  return isInGate(node) ? idOf(node.parent as Node) : idOf(node);
}

function isInGate(node: Node): boolean {
  const parent = node.parent as Node | undefined;
  return parent !== undefined && Object.keys(parent.states).length > 0 && isDrawnWhole(parent);
}

function idOf(node: Node): string {
  return node.path.join('_');
}
