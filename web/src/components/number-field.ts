export interface Bounds {
  min: number
  max: number
  /** 1: whole numbers only; anything else only says how far the arrow keys go. */
  step: number
}

/** Whether a typed figure may be taken; nothing typed is nothing of one's own. */
export function fits(typed: number | null, { min, max, step }: Bounds): boolean {
  if (typed === null) return true
  return typed >= min && typed <= max && (step !== 1 || Number.isInteger(typed))
}
