import type { MathMeta } from './math'
import type { Block } from './parser'

/** Blocks that no following line can join, whatever it is. */
const CLOSED_BY_ITSELF = new Set(['heading_open', 'hr', 'fence', 'math_block'])

/**
 * How many of the first blocks of a growing source no later text can change.
 *
 * Markdown's block structure is decided line by line, and a block that another
 * one follows stays closed. What may still change is a boundary whose deciding
 * line is not complete: the line being written, a table's head whose delimiter
 * row is, a formula whose end has not come, and a definition that a title on
 * the next line may belong to.
 *
 * `lines` are those of the source; the last one is being written (it is empty
 * when the source ends with a line break).
 */
export function settledCount(blocks: readonly Block[], lines: readonly string[]): number {
  let count = blocks.length - 1
  const last = blocks[count]
  if (last === undefined || count === 0) return 0
  if (!startIsCertain(last, lines) && !endIsCertain(blocks, count, lines)) count--
  while (count > 0 && continuesDefinition(blocks, count, lines)) count--
  return Math.max(count, 0)
}

function startIsCertain(block: Block, lines: readonly string[]): boolean {
  const growing = lines.length - 1
  if (block.start >= growing) return false
  if (block.type === 'table_open') return block.start + 1 < growing
  if (block.type === 'math_block') return (block.tokens[0]?.meta as MathMeta | null | undefined)?.closed ?? false
  return true
}

/** Whether the block before `blocks[index]` is over, whatever `blocks[index]` turns out to be. */
function endIsCertain(blocks: readonly Block[], index: number, lines: readonly string[]): boolean {
  const before = blocks[index - 1]
  const block = blocks[index]
  if (before === undefined || block === undefined) return false
  if (CLOSED_BY_ITSELF.has(before.type)) return true
  if (!isBlank(lines[block.start - 1])) return false
  const isList = before.type === 'bullet_list_open' || before.type === 'ordered_list_open'
  return !isList || !/^[ \t]*[-+*\d]/.test(lines[block.start] ?? '')
}

function continuesDefinition(blocks: readonly Block[], index: number, lines: readonly string[]): boolean {
  const block = blocks[index]
  return (
    blocks[index - 1]?.type === 'reference_definition' &&
    block !== undefined &&
    !isBlank(lines[block.start - 1])
  )
}

const isBlank = (line: string | undefined): boolean => line !== undefined && line.trim() === ''
