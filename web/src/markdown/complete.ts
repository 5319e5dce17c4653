/**
 * Text that is still being written often ends inside `**bold` or `[a link](ht`.
 * These functions decide what to show meanwhile; nothing here touches what a
 * finished block looks like.
 */

const SKIPPED = /\\[\s\S]|(`+)(?:(?!`)[\s\S])*?[^`]\1(?!`)|\]\([^()\s]*\)|<https?:[^<>\s]*>/g
const MARK = /(?<![\p{L}\p{N}_])__|\*\*|~~|(?<![\s*\p{L}\p{N}])\*(?!\s)|(?<=^|\s)\*(?!\s)|\*/gu

/** Marks that nobody closes are not held open for ever. */
const MOST_OPEN = 6

/** `content` with its open code, emphasis and link closed, as a reader expects it to go on. */
export function completed(content: string): string {
  const text = withoutHalfLink(content)
  const plain = text.replace(SKIPPED, (match) => 'x'.repeat(match.length))
  const tick = /(`+)[^`]*$/.exec(plain)
  if (tick !== null) {
    const run = tick[1] ?? ''
    return tick[0].length === run.length ? text.slice(0, -run.length) : text + run
  }
  const open: { mark: string; at: number }[] = []
  for (const match of plain.matchAll(MARK)) {
    const mark = match[0]
    const last = open.findLastIndex((entry) => entry.mark === mark)
    const before = plain[match.index - 1] ?? ' '
    const after = plain[match.index + mark.length] ?? ''
    if (last >= 0 && !/\s/.test(before)) open.length = last
    else if (!/\s/.test(after)) open.push({ mark, at: match.index })
  }
  return closeMarks(text, open.slice(-MOST_OPEN))
}

function closeMarks(text: string, open: { mark: string; at: number }[]): string {
  let out = text
  for (const { mark, at } of open.reverse()) {
    const ink = out.slice(at + mark.length).trim()
    const kept = out.trimEnd()
    out = ink === '' ? out.slice(0, at) : kept + mark
  }
  return out
}

/** Shows the words of a link whose address is still on its way, and no part of a half-written image. */
function withoutHalfLink(content: string): string {
  const half = /(!?)\[([^[\]]*)(?:\]\([^()\s]*)?$/.exec(content)
  if (half === null || content[half.index - 1] === '\\') return content
  const before = content.slice(0, half.index)
  return half[1] === '!' ? before : before + (half[2] ?? '')
}

const ONLY_MARKS = /^[-=+*#:|~`_$\\ \t>]+$/
const ONLY_A_MARKER = /^[ \t>]*(?:\d{1,9}[.)]?|(?:[-+*]|\d{1,9}[.)]) \[[ xX]?\]?)[ \t]*$/
/** A longer line of marks is shown as it comes. */
const LONGEST_UNDECIDED = 200
const UNDECIDED_TABLE = /(?:^|\n)([ \t]*\|[^\n]*(?:\n[|:\- \t]*)?)$/

/**
 * How many characters at the end of a growing `source` to keep back for a
 * moment, because what they will become cannot be told yet: "-" may turn into
 * a rule, an item or an underline, "| a | b |" into a table's head.
 */
export function undecided(source: string): number {
  const lineStart = source.lastIndexOf('\n') + 1
  const line = source.slice(lineStart)
  const table = UNDECIDED_TABLE.exec(source.slice(-2000))
  if (table !== null) {
    const head = table[1] ?? ''
    const at = source.length - head.length
    const lineBefore = source.slice(source.lastIndexOf('\n', at - 2) + 1, Math.max(0, at - 1))
    if (!lineBefore.trimStart().startsWith('|')) return head.length
  }
  const short = line !== '' && line.length <= LONGEST_UNDECIDED
  if (short && (ONLY_MARKS.test(line) || ONLY_A_MARKER.test(line))) return line.length
  return /[\ud800-\udbff]$/.test(source) ? 1 : 0
}
