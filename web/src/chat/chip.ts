import type { Figures, Money, Provenance } from '../api/types'

/** Where a figure comes from; "preflight" is our own count while the bill is still open. */
export type Origin = Provenance | 'preflight' | 'running'

/** What stands beside a message: never 0 for what is missing. */
export interface Chip {
  tokens: number | null
  cost: Money
  origin: Origin
  /** Tokens are known, their price is not. */
  unpriced: boolean
}

/** Beside the question: the whole history that was sent. */
export function questionChip(figures: Figures): Chip {
  if (figures.state === 'open') {
    return { tokens: figures.preflight_tokens, cost: null, origin: 'preflight', unpriced: false }
  }
  return settled(figures, figures.prompt_tokens, figures.input_cost)
}

/** Beside the answer: what was written, reasoning included. */
export function answerChip(figures: Figures): Chip {
  if (figures.state === 'open') return { tokens: null, cost: null, origin: 'running', unpriced: false }
  return settled(figures, figures.completion_tokens, figures.output_cost)
}

function settled(figures: Figures, tokens: number | null, cost: Money): Chip {
  const unpriced = cost === null && tokens !== null && figures.priced === false
  return { tokens, cost, origin: figures.provenance ?? 'unknown', unpriced }
}
