import type { MarkdownIt, StateBlock, StateInline } from 'markdown-it'

const DOLLAR = 0x24
const BACKSLASH = 0x5c

// Bounds on the search for an end, so that many beginnings cost little.
const LONGEST_INLINE = 5_000
const MOST_LINES = 200

/** What a math token carries; only in a source that grows may a formula not be closed yet. */
export interface MathMeta {
  display: boolean
  closed: boolean
}

/**
 * Teaches `$…$`, `$$…$$`, `\(…\)` and `\[…\]`.
 *
 * A display block never spans a blank line. That bounds the look-ahead: once a
 * blank line has been seen, later text cannot turn earlier lines into math, so
 * what a stream has settled stays right. Until then, `growing` in the parser's
 * environment shows an open formula as one rather than as a list or a heading.
 */
export function mathPlugin(md: MarkdownIt): void {
  md.inline.ruler.before('escape', 'math_bracket', bracketMath)
  md.inline.ruler.after('math_bracket', 'math_dollar', dollarMath)
  md.block.ruler.before('fence', 'math_block', blockMath, {
    alt: ['paragraph', 'reference', 'blockquote', 'list'],
  })
}

function pushInline(state: StateInline, tex: string, source: string, display: boolean): void {
  const token = state.push('math_inline', 'math', 0)
  token.content = tex
  token.markup = source
  token.meta = { display, closed: true }
}

function bracketMath(state: StateInline, silent: boolean): boolean {
  const { src, pos, posMax } = state
  if (src.charCodeAt(pos) !== BACKSLASH) return false
  const opener = src[pos + 1]
  if (opener !== '(' && opener !== '[') return false
  const within = src.slice(pos + 2, Math.min(posMax, pos + LONGEST_INLINE))
  const length = within.indexOf(opener === '(' ? '\\)' : '\\]')
  if (length < 0) return false
  const end = pos + 2 + length
  const tex = src.slice(pos + 2, end).trim()
  if (tex === '') return false
  if (!silent) pushInline(state, tex, src.slice(pos, end + 2), opener === '[')
  state.pos = end + 2
  return true
}

function dollarMath(state: StateInline, silent: boolean): boolean {
  const { src, pos, posMax } = state
  if (src.charCodeAt(pos) !== DOLLAR) return false
  const double = src.charCodeAt(pos + 1) === DOLLAR
  const start = pos + (double ? 2 : 1)
  const end = double ? closingDouble(src, start, posMax) : closingDollar(src, pos, posMax)
  if (end < 0) return false
  const after = end + (double ? 2 : 1)
  if (!silent) pushInline(state, src.slice(start, end).trim(), src.slice(pos, after), double)
  state.pos = after
  return true
}

function closingDouble(src: string, start: number, max: number): number {
  const end = src.indexOf('$$', start)
  return end < 0 || end + 2 > max || src.slice(start, end).trim() === '' ? -1 : end
}

/**
 * The end of `$…$`, or -1 where the dollar is money: nothing but space may
 * stand outside and nothing but ink inside, no digit may follow, and a run
 * that starts with a figure and goes on in words is a price.
 */
function closingDollar(src: string, pos: number, max: number): number {
  const start = pos + 1
  if (/[A-Za-z0-9$\\]/.test(src[pos - 1] ?? ' ') || /\s/.test(src[start] ?? ' ')) return -1
  let end = start
  while ((end = src.indexOf('$', end)) >= 0 && end < max && src.charCodeAt(end - 1) === BACKSLASH) end++
  if (end < 0 || end >= max || end === start) return -1
  if (/\s/.test(src[end - 1] ?? ' ') || /[0-9$]/.test(src[end + 1] ?? ' ')) return -1
  const content = src.slice(start, end)
  const worded = /\s[A-Za-z\uac00-\ud7a3]{2,}|[\uac00-\ud7a3]/.test(content)
  return /^\d/.test(content) && worded && !/[\\^_]/.test(content) ? -1 : end
}

function blockMath(state: StateBlock, startLine: number, endLine: number, silent: boolean): boolean {
  if ((state.sCount[startLine] ?? 0) - state.blkIndent >= 4) return false
  const first = lineAt(state, startLine)
  const opener = first.slice(0, 2)
  if (opener !== '$$' && opener !== '\\[') return false
  const closer = opener === '$$' ? '$$' : '\\]'
  // As what interrupts a paragraph the block may stand outside its list, so any indent will do.
  const found = findCloser(state, startLine, endLine, closer, silent ? 0 : state.blkIndent)
  if (found === null) return false
  if (silent) return true
  const body = [first.slice(2)]
  for (let line = startLine + 1; line < found.line; line++) body.push(lineAt(state, line))
  const tex = body.join('\n').trim()
  const token = state.push('math_block', 'math', 0)
  token.block = true
  token.content = found.closed ? tex.slice(0, tex.lastIndexOf(closer)).trim() : tex
  token.markup = [opener + (body[0] ?? ''), ...body.slice(1)].join('\n')
  token.meta = { display: true, closed: found.closed }
  token.map = [startLine, found.line]
  state.line = found.line
  return true
}

/** The line after the block and whether its closer was there; null where it is no math block. */
function findCloser(
  state: StateBlock,
  startLine: number,
  endLine: number,
  closer: string,
  indent: number,
): { line: number; closed: boolean } | null {
  const first = lineAt(state, startLine).slice(2)
  const inFirst = first.indexOf(closer)
  // "$$x$$ is …" is a paragraph with a formula in it.
  if (inFirst >= 0) {
    const whole = inFirst > 0 && first.slice(inFirst + 2).trim() === ''
    return whole ? { line: startLine + 1, closed: true } : null
  }
  for (let line = startLine + 1; line < endLine; line++) {
    if (line - startLine > MOST_LINES || state.isEmpty(line) || (state.sCount[line] ?? 0) < indent) return null
    if (lineAt(state, line).trimEnd().endsWith(closer)) return { line: line + 1, closed: true }
  }
  return isGrowing(state, endLine) ? { line: endLine, closed: false } : null
}

/** Whether the lines end where a source ends that more text is expected to follow. */
function isGrowing(state: StateBlock, endLine: number): boolean {
  return state.env['growing'] === true && (state.eMarks[endLine - 1] ?? 0) >= state.src.trimEnd().length
}

function lineAt(state: StateBlock, line: number): string {
  return state.src.slice((state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0), state.eMarks[line])
}
