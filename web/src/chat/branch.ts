import type { Message } from '../api/types'

interface Placed {
  id: string
  message: Message
}

/**
 * Put a page of the newest messages (oldest first) over what is on the page.
 * Older messages already loaded stay where the page continues them.
 */
export function mergePage<T extends Placed>(
  shown: readonly T[], page: readonly Message[], make: (message: Message) => T, update: (turn: T, message: Message) => void,
): { turns: T[]; keptOlder: boolean } {
  const known = new Map(shown.map((turn) => [turn.id, turn]))
  const reuse = (message: Message): T => {
    const turn = known.get(message.id)
    if (turn === undefined) return make(message)
    update(turn, message)
    return turn
  }
  const first = page[0]
  const joint = first === undefined ? -1 : shown.findIndex((turn) => turn.id === first.id)
  const older = joint > 0 ? shown.slice(0, joint) : []
  return { turns: [...older, ...page.map(reuse)], keptOlder: older.length > 0 }
}

/**
 * The branch after a question was asked or asked again: everything up to the question,
 * the question, the new answer. Null when the place it hangs on is not on the page.
 */
export function placeQuestion<T extends Placed>(shown: readonly T[], question: T, answer: T): T[] | null {
  let at = shown.findIndex((turn) => turn.id === question.id)
  if (at === -1) {
    const parent = question.message.parent_id
    if (parent === null) at = 0
    else {
      const above = shown.findIndex((turn) => turn.id === parent)
      if (above === -1) return null
      at = above + 1
    }
  }
  return [...shown.slice(0, at), question, answer]
}
