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

/** The figures of a call whose bill is still open. */
export function openFigures(started: { entry_id: string; preflight_tokens: number }): Figures {
  return {
    entry_id: started.entry_id,
    state: 'open',
    provenance: null,
    prompt_tokens: null,
    cached_tokens: null,
    completion_tokens: null,
    reasoning_tokens: null,
    input_cost: null,
    output_cost: null,
    cost: null,
    priced: null,
    preflight_tokens: started.preflight_tokens,
    model_served: null,
  }
}

function settled(figures: Figures, tokens: number | null, cost: Money): Chip {
  const unpriced = cost === null && tokens !== null && figures.priced === false
  return { tokens, cost, origin: figures.provenance ?? 'unknown', unpriced }
}
