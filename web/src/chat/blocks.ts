/** Messages that come into and leave the document together. */
const BLOCK_SIZE = 30

/**
 * Cut a branch into blocks whose borders stay where they are when messages are added
 * at either end. `starts` remembers the first message of every block and is added to.
 */
export function cutBlocks<T extends { id: string }>(turns: readonly T[], starts: Set<string>): T[][] {
  const blocks: T[][] = []
  let block: T[] = []
  for (const turn of turns) {
    if (block.length === 0 || block.length >= BLOCK_SIZE || starts.has(turn.id)) {
      starts.add(turn.id)
      block = []
      blocks.push(block)
    }
    block.push(turn)
  }
  return blocks
}
