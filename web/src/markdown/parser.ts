import MarkdownItClass, { type Env, type StateInline, type Token } from 'markdown-it'
import cjkFriendly from 'markdown-it-cjk-friendly'
import { linkPlugin } from './links'
import { mathPlugin } from './math'

export type References = NonNullable<Env['references']>

/** A top-level block: its tokens and its first line, counted in the source it was parsed from. */
export interface Block {
  type: string
  start: number
  end: number
  tokens: Token[]
}

const md = new MarkdownItClass({ html: false, linkify: true })
md.use(cjkFriendly).use(mathPlugin).use(linkPlugin)
// Models write <br> inside table cells; every other tag stays text.
md.inline.ruler.before('autolink', 'line_break_tag', lineBreakTag)

export const normalizeLabel = (label: string): string => md.utils.normalizeReference(label)

function lineBreakTag(state: StateInline, silent: boolean): boolean {
  if (state.src.charCodeAt(state.pos) !== 0x3c) return false
  const tag = /^<br ?\/?>/i.exec(state.src.slice(state.pos, state.pos + 6))
  if (tag === null) return false
  if (!silent) state.push('hardbreak', 'br', 0)
  state.pos += tag[0].length
  return true
}

/**
 * Finds the block structure of `source` (lines end in "\n") and leaves inline
 * content unparsed. `known` are definitions from earlier text, which win over
 * any in `source`; `defined` are those that `source` adds. `growing` says that
 * more text is expected to follow.
 */
export function parseBlocks(
  source: string,
  known: References,
  growing = false,
): { blocks: Block[]; defined: References } {
  const defined = Object.create(known) as References
  const tokens: Token[] = []
  md.block.parse(source, md, { references: defined, growing }, tokens)
  const blocks: Block[] = []
  let open: Block | null = null
  for (const token of tokens) {
    if (open === null) {
      const [start, end] = token.map ?? [0, 0]
      open = { type: token.type, start, end, tokens: [] }
      blocks.push(open)
    }
    open.tokens.push(token)
    if (token.level === 0 && token.nesting <= 0) open = null
  }
  return { blocks, defined }
}

/** Inline tokens of one paragraph, heading or cell. */
export function parseInline(content: string, references: References): Token[] {
  return md.parseInline(content, { references })[0]?.children ?? []
}

/** An attribute the parser put on a token; empty where there is none. */
export function attribute(token: Token, name: string): string {
  return String(token.attrs?.find(([key]) => key === name)?.[1] ?? '')
}
