import type { Token } from 'markdown-it'
import { completed } from './complete'
import { inlineNodes } from './inline'
import type { MarkdownLabels } from './labels'
import type { MathMeta } from './math'
import { element, joined, type VCode, type VNode } from './nodes'
import { attribute, parseInline, type Block, type References } from './parser'

const TASK = /^\[([ xX])\][ \t]+/

/**
 * Remembers the nodes of inline content between two parses of the same tail, so
 * that of a long list or table only the cell that grew is parsed again.
 */
export class InlineMemo {
  #last = new Map<string, VNode[]>()
  #next = new Map<string, VNode[]>()
  #definitions = ''

  /** Begins a parse; `definitions` names the link definitions known to it. */
  begin(definitions: string): void {
    this.#last = definitions === this.#definitions ? this.#next : new Map()
    this.#next = new Map()
    this.#definitions = definitions
  }

  get(content: string, make: () => VNode[]): VNode[] {
    const nodes = this.#next.get(content) ?? this.#last.get(content) ?? make()
    this.#next.set(content, nodes)
    return nodes
  }
}

export interface RenderContext {
  labels: MarkdownLabels
  references: References
  memo: InlineMemo
}

/**
 * The node of a top-level block, or null where nothing is to be seen (a link
 * definition). With `growing` the last inline content is shown as if its open
 * marks were closed.
 */
export function blockNode(block: Block, context: RenderContext, growing = false): VNode | null {
  const lastInline = growing ? block.tokens.findLast((token) => token.type === 'inline') : undefined
  const stack: { open: Token | null; kids: VNode[]; attrs: Record<string, string> }[] = [
    { open: null, kids: [], attrs: {} },
  ]
  for (const [index, token] of block.tokens.entries()) {
    const top = stack.at(-1)
    if (top === undefined) break
    if (token.nesting === 1) {
      const task = token.type === 'list_item_open' ? takeTask(block.tokens, index) : null
      const box = task === null ? [] : [checkbox(task, context.labels)]
      stack.push({ open: token, kids: box, attrs: task === null ? {} : { class: 'task' } })
    } else if (token.nesting === -1) {
      stack.pop()
      if (top.open === null) break
      stack.at(-1)?.kids.push(...container(top.open, top.kids, top.attrs, context.labels))
    } else if (token.type === 'inline') {
      const content = token === lastInline ? completed(token.content) : token.content
      top.kids.push(
        ...context.memo.get(content, () =>
          inlineNodes(parseInline(content, context.references), context.labels),
        ),
      )
    } else {
      top.kids.push(...leaf(token))
    }
  }
  return stack[0]?.kids[0] ?? null
}

/** Cuts "[x] " off an item's text and says whether it was ticked; null where the item is no task. */
function takeTask(tokens: Token[], item: number): boolean | null {
  const inline = tokens[item + 2]
  if (tokens[item + 1]?.type !== 'paragraph_open' || inline?.type !== 'inline') return null
  const mark = TASK.exec(inline.content)
  if (mark === null) return null
  inline.content = inline.content.slice(mark[0].length)
  return mark[1] !== ' '
}

function checkbox(done: boolean, labels: MarkdownLabels): VNode {
  return element('input', [], {
    type: 'checkbox',
    disabled: '',
    'aria-label': done ? labels.taskDone : labels.taskOpen,
    ...(done ? { checked: '' } : {}),
  })
}

function container(
  open: Token,
  kids: VNode[],
  attrs: Record<string, string>,
  labels: MarkdownLabels,
): VNode[] {
  if (open.hidden) return joined(kids)
  switch (open.type) {
    case 'heading_open': {
      // A message's headings stand below those of the page.
      const level = Number(open.tag.slice(1))
      return [element(`h${Math.min(level + 2, 6)}`, kids, { 'data-level': String(level) })]
    }
    case 'ordered_list_open': {
      const start = attribute(open, 'start')
      return [element('ol', kids, start === '' ? {} : { start })]
    }
    case 'table_open':
      return [
        element('div', [element('table', kids)], {
          class: 'table-scroll',
          role: 'group',
          'aria-label': labels.table,
          tabindex: '0',
        }),
      ]
    case 'th_open':
    case 'td_open': {
      const side = /:(\w+)$/.exec(attribute(open, 'style'))?.[1]
      return [
        element(open.tag, kids, {
          ...(open.tag === 'th' ? { scope: 'col' } : {}),
          ...(side === undefined ? {} : { 'data-align': side }),
        }),
      ]
    }
    default:
      return [element(open.tag, kids, attrs)]
  }
}

function leaf(token: Token): VNode[] {
  switch (token.type) {
    case 'fence':
      return [fence(token)]
    case 'code_block':
      return [{ kind: 'code', language: '', text: token.content, closed: true }]
    case 'hr':
      return [element('hr', [])]
    case 'math_block': {
      const { closed } = token.meta as unknown as MathMeta
      return [{ kind: 'math', tex: token.content, source: token.markup, display: true, closed }]
    }
    default:
      return []
  }
}

function fence(token: Token): VCode {
  const [start, end] = token.map ?? [0, 0]
  const newlines = token.content.split('\n').length - 1
  const lines = newlines + (token.content === '' || token.content.endsWith('\n') ? 0 : 1)
  // The block's lines are its opening fence, its content and, if it came, its closing fence.
  return {
    kind: 'code',
    language: /^[^\s{,]*/.exec(token.info.trim())?.[0] ?? '',
    text: token.content,
    closed: end - start - 1 > lines,
  }
}
