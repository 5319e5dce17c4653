import type { MathMeta } from './math'
import type { Block } from './parser'

/** Blocks that no following line can join, whatever it is. */
const CLOSED_BY_ITSELF = new Set(['heading_open', 'hr', 'fence', 'math_block'])

/** Blocks that do not interrupt a paragraph, nor a definition. */
const PLAIN = new Set(['paragraph_open', 'reference_definition', 'code_block'])

/**
 * How many of the first blocks of a growing source no later text can change.
 *
 * Markdown's block structure is decided line by line, and a block that another
 * one follows stays closed. What may still change is a boundary whose deciding
 * line is not complete: the line being written, a table's head whose delimiter
 * row is, a formula whose end has not come, and what may be a link definition
 * that runs over several lines.
 *
 * `lines` are those of the source; the last one is being written (it is empty
 * when the source ends with a line break).
 */
export function settledCount(blocks: readonly Block[], lines: readonly string[]): number {
  let count = blocks.length - 1
  const last = blocks[count]
  if (last === undefined || count === 0) return 0
  if (!startIsCertain(last, lines) && !endIsCertain(blocks, count, lines)) count--
  while (count > 0 && mayBeDefinition(blocks, count, lines)) count--
  return Math.max(count, 0)
}

function startIsCertain(block: Block, lines: readonly string[]): boolean {
  const growing = lines.length - 1
  if (block.start >= growing) return false
  if (block.type === 'table_open') return block.start + 1 < growing
  if (block.type === 'math_block') return (block.tokens[0]?.meta as unknown as MathMeta).closed
  return true
}

/** Whether the block before `blocks[index]` is over, whatever `blocks[index]` turns out to be. */
function endIsCertain(blocks: readonly Block[], index: number, lines: readonly string[]): boolean {
  const before = blocks[index - 1]
  const block = blocks[index]
  if (before === undefined || block === undefined) return false
  if (CLOSED_BY_ITSELF.has(before.type) && !isUnderlined(before)) return true
  if (!isBlank(lines[block.start - 1])) return false
  const isList = before.type === 'bullet_list_open' || before.type === 'ordered_list_open'
  return !isList || !/^[ \t]*[-+*\d]/.test(lines[block.start] ?? '')
}

/**
 * Whether the block before `blocks[index]` and this one may turn into one link
 * definition. One that runs over lines may contain what looks like other plain
 * blocks, and may go on below the list or quote that it stands in.
 */
function mayBeDefinition(blocks: readonly Block[], index: number, lines: readonly string[]): boolean {
  const before = blocks[index - 1]
  const block = blocks[index]
  if (before === undefined || block === undefined || isBlank(lines[block.start - 1])) return false
  return isPlain(block) && (isUnderlined(before) || !CLOSED_BY_ITSELF.has(before.type))
}

const isPlain = (block: Block): boolean => PLAIN.has(block.type) || isUnderlined(block)

const isUnderlined = (block: Block): boolean =>
  block.type === 'heading_open' && !(block.tokens[0]?.markup ?? '').startsWith('#')

const isBlank = (line: string | undefined): boolean => line !== undefined && line.trim() === ''
