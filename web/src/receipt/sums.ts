import type { Receipt } from '../api/types'

/** The parts of a receipt's main line: "950 = 41 + 909". Null when a part is not known. */
export interface UsedLine {
  used: number
  prompt: number
  completion: number
}

export function usedLine(receipt: Receipt): UsedLine | null {
  const { used_tokens: used, prompt_tokens: prompt, completion_tokens: completion } = receipt
  if (used === null || prompt === null || completion === null) return null
  return { used, prompt, completion }
}

/** "messages sent 4 = 3 + 1": the history before, and the question itself. Null where a call has no room. */
export function sentLine(receipt: Receipt): { sent: number; history: number; question: number } | null {
  if (receipt.messages_sent === null) return null
  const question = receipt.messages_sent > 0 ? 1 : 0
  return { sent: receipt.messages_sent, history: receipt.messages_sent - question, question }
}

export interface KindSum {
  kind: string
  tokens: number
  estimated: boolean
}

/** Lines of one kind in one sum, in the order in which the kinds appear. */
export function byKind(lines: Receipt['lines']): KindSum[] {
  const sums = new Map<string, KindSum>()
  for (const line of lines) {
    const sum = sums.get(line.kind) ?? { kind: line.kind, tokens: 0, estimated: false }
    sum.tokens += line.tokens
    sum.estimated ||= line.quality === 'estimate'
    sums.set(line.kind, sum)
  }
  return [...sums.values()]
}

/** Whether the lines add up to what they explain. */
export function addsUp(lines: readonly { tokens: number }[], total: number | null): boolean {
  return total !== null && lines.reduce((sum, line) => sum + line.tokens, 0) === total
}
